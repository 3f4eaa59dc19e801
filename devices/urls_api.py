"""Addresses of the device protocol: the original one of the story, and the versioned one."""

from django.urls import path

from devices.api import DeviceRegistration

urlpatterns = [
    path("midpoint/ws/iot/devices/<path:serial>", DeviceRegistration.as_view(), name="device_registration"),
    path("api/v1/devices/<path:serial>/registration", DeviceRegistration.as_view(), name="device_registration_v1"),
]
