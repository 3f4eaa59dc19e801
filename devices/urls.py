"""Addresses of the pages about devices and registration keys, and of those about organizations with devices in them."""

from django.urls import path

from devices import views, views_history, views_keys, views_manage, views_organizations, views_program_keys

urlpatterns = [
    path("devices/", views.mine, name="dashboard"),
    path("devices/live/", views.mine_live, name="dashboard_live"),
    path("devices/list/", views.device_list, name="device_list"),
    path("devices/list/move/", views_manage.move_many, name="devices_move"),
    path("devices/<int:pk>/", views.device, name="device"),
    path("devices/<int:pk>/live/", views.device_live, name="device_live"),
    path("devices/<int:pk>/read-key/", views.read_key, name="device_read_key"),
    path("devices/<int:pk>/feed.json", views.feed, name="device_feed"),
    path("devices/<int:pk>/values/", views.values, name="device_values"),
    path("devices/<int:pk>/history/", views_history.history_of, name="device_history"),
    path("devices/<int:pk>/history.csv", views_history.history_csv, name="device_history_csv"),
    path("devices/<int:pk>/program-keys/", views_program_keys.program_keys_of, name="device_program_keys"),
    path(
        "devices/<int:pk>/program-keys/<int:key>/revoke/",
        views_program_keys.revoke,
        name="device_program_key_revoke",
    ),
    path("devices/<int:pk>/edit/", views_manage.edit, name="device_edit"),
    path("devices/<int:pk>/move/", views_manage.move, name="device_move"),
    path("organizations/", views_organizations.organizations, name="organizations"),
    path("organizations/<int:pk>/", views_organizations.organization, name="organization"),
    path("organizations/<int:pk>/move/", views_organizations.move, name="organization_move"),
    path("organizations/<int:pk>/delete/", views_organizations.delete, name="organization_delete"),
    path("organizations/<int:pk>/registration-keys/new/", views_keys.new, name="registration_key_new"),
    path("registration-keys/<int:pk>/", views_keys.registration_key, name="registration_key"),
    path("registration-keys/<int:pk>/show/", views_keys.show, name="registration_key_show"),
    path("registration-keys/<int:pk>/revoke/", views_keys.revoke, name="registration_key_revoke"),
]
