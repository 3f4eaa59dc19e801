"""Addresses of the pages about the account on the channel platform."""

from django.urls import path

from channels import views

urlpatterns = [
    path("organizations/<int:pk>/platform-account/", views.account, name="platform_account"),
    path("organizations/<int:pk>/platform-account/show/", views.show_key, name="platform_account_show"),
    path("organizations/<int:pk>/platform-account/renew/", views.renew_key, name="platform_account_renew"),
    path("organizations/<int:pk>/platform-account/enter/", views.enter_key, name="platform_account_enter"),
]
