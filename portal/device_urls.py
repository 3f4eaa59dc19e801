"""What devices and programs call: plain views without sessions, cookies, CSRF or languages."""

from django.urls import include, path

from portal import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("healthz/worker", health.healthz_worker, name="healthz_worker"),
    path("", include("devices.urls_api")),
    path("", include("channels.platform.urls")),
]
