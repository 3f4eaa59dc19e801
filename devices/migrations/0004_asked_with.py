"""Until a device asks again, take it that it uses the registration key that it came with."""

from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps, schema_editor):
    contacts = apps.get_model("devices", "DeviceContact").objects.filter(asked_with=None)
    came_with = apps.get_model("devices", "Device").objects.filter(pk=OuterRef("device")).values("registered_with")
    contacts.update(asked_with=Subquery(came_with))


class Migration(migrations.Migration):

    dependencies = [
        ("devices", "0003_registration_key_renewal"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
