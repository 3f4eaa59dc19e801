"""Addresses of the portal. Those of devices and programs come first; see `portal.device_urls`."""

from allauth.account.views import SignupView
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from portal import views, views_account

urlpatterns = [
    path("", include("portal.device_urls")),
    path("", views.start, name="start"),
    path("signup/", SignupView.as_view(), name="signup"),
    path("accounts/signup/", SignupView.as_view(), name="account_signup"),
    path("accounts/", include("allauth.urls")),
    path("", include("orgs.urls")),
    path("", include("channels.urls")),
    path("", include("devices.urls")),
    path("language/", views_account.set_language, name="set_language"),
    path("outbox/", views.outbox, name="outbox"),
    path("components/", views.components, name="components"),
    path("api/schema/", login_not_required(SpectacularAPIView.as_view()), name="schema"),
    path("admin/", admin.site.urls),
]
