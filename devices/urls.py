"""Addresses of the pages about devices and registration keys."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
