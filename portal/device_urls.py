"""What devices and programs call: plain views without sessions, cookies, CSRF or languages."""

from django.urls import include, path

urlpatterns = [
    path("", include("devices.urls_api")),
    path("", include("channels.platform.urls")),
]
