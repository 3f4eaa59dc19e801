"""Addresses of the portal. Those of devices and programs come first; see `portal.device_urls`."""

from allauth.account.views import SignupView
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from portal import views, views_account, views_data

urlpatterns = [
    path("", include("portal.device_urls")),
    path("", views.start, name="start"),
    path("signup/", SignupView.as_view(), name="signup"),
    path("accounts/signup/", SignupView.as_view(), name="account_signup"),
    path("accounts/", include("allauth.urls")),
    path("", include("orgs.urls")),
    path("", include("channels.urls")),
    path("", include("devices.urls")),
    path("account/", views_account.my_account, name="my_account"),
    path("account/shown/", views_account.shown, name="shown_to_me"),
    path("account/log-ins/", views_account.log_ins, name="log_ins"),
    path("account/log-ins/<int:pk>/end/", views_account.log_in_end, name="log_in_end"),
    path("account/data/", views_data.my_data, name="my_data"),
    path("account/data/<int:pk>/", views_data.fetch, name="take_out"),
    path("account/close/", views_data.close, name="account_close"),
    path("language/", views_account.set_language, name="set_language"),
    path("outbox/", views.outbox, name="outbox"),
    path("components/", views.components, name="components"),
    path("api/schema/", login_not_required(SpectacularAPIView.as_view()), name="schema"),
    path("admin/", admin.site.urls),
]
