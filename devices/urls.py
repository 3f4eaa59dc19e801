"""Addresses of the pages about devices and registration keys, and of those about organizations with devices in them."""

from django.urls import path

from devices import (
    views,
    views_admission,
    views_keys,
    views_lifecycle,
    views_manage,
    views_organizations,
    views_program_keys,
)

urlpatterns = [
    path("devices/", views.mine, name="dashboard"),
    path("devices/live/", views.mine_live, name="dashboard_live"),
    path("devices/list/", views.device_list, name="device_list"),
    path("devices/list/move/", views_manage.move_many, name="devices_move"),
    path("devices/list/block/", views_lifecycle.block_many, name="devices_block"),
    path("devices/list/unblock/", views_lifecycle.unblock_many, name="devices_unblock"),
    path("devices/pending/", views_admission.pending_devices, name="pending_devices"),
    path("devices/pending/decide/", views_admission.decide, name="pending_devices_decide"),
    path("devices/<int:pk>/", views.device, name="device"),
    path("devices/<int:pk>/live/", views.device_live, name="device_live"),
    path("devices/<int:pk>/read-key/", views.read_key, name="device_read_key"),
    path("devices/<int:pk>/feed.json", views.feed, name="device_feed"),
    path("devices/<int:pk>/values/", views.values, name="device_values"),
    path("devices/<int:pk>/program-keys/", views_program_keys.program_keys_of, name="device_program_keys"),
    path(
        "devices/<int:pk>/program-keys/<int:key>/revoke/",
        views_program_keys.revoke,
        name="device_program_key_revoke",
    ),
    path("devices/<int:pk>/edit/", views_manage.edit, name="device_edit"),
    path("devices/<int:pk>/move/", views_manage.move, name="device_move"),
    path("devices/<int:pk>/block/", views_lifecycle.block, name="device_block"),
    path("devices/<int:pk>/unblock/", views_lifecycle.unblock, name="device_unblock"),
    path("devices/<int:pk>/replace/", views_lifecycle.replace, name="device_replace"),
    path("devices/<int:pk>/delete/", views_lifecycle.delete, name="device_delete"),
    path("organizations/", views_organizations.organizations, name="organizations"),
    path("organizations/<int:pk>/", views_organizations.organization, name="organization"),
    path("organizations/<int:pk>/move/", views_organizations.move, name="organization_move"),
    path("organizations/<int:pk>/delete/", views_organizations.delete, name="organization_delete"),
    path("organizations/<int:pk>/registration-policy/", views_admission.policy, name="registration_policy"),
    path("organizations/<int:pk>/expected-devices/", views_admission.expected_devices, name="expected_devices"),
    path(
        "organizations/<int:pk>/expected-devices/forget/",
        views_admission.forget_expected,
        name="expected_devices_forget",
    ),
    path("organizations/<int:pk>/registration-keys/new/", views_keys.new, name="registration_key_new"),
    path("registration-keys/<int:pk>/", views_keys.registration_key, name="registration_key"),
    path("registration-keys/<int:pk>/show/", views_keys.show, name="registration_key_show"),
    path("registration-keys/<int:pk>/edit/", views_keys.edit, name="registration_key_edit"),
    path("registration-keys/<int:pk>/labels/", views_keys.labels, name="registration_key_labels"),
    path("registration-keys/<int:pk>/revoke/", views_keys.revoke, name="registration_key_revoke"),
]
