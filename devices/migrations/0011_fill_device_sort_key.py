"""Give the devices that are there what they are sorted by, in batches, while the portal runs."""

from django.db import migrations

from orgs.natural import natural_key

BATCH = 1000


def fill(apps, schema_editor):
    devices = apps.get_model("devices", "Device").objects.order_by("pk").only("pk", "name", "serial", "sort_key")
    last = 0
    while batch := list(devices.filter(pk__gt=last)[:BATCH]):
        for device in batch:
            device.sort_key = f"0{natural_key(device.name)}" if device.name else f"1{natural_key(device.serial)}"
        devices.model.objects.bulk_update(batch, ["sort_key"])
        last = batch[-1].pk


class Migration(migrations.Migration):

    # A batch is a transaction: rows are not locked for as long as all of it takes.
    atomic = False

    dependencies = [
        ("devices", "0010_device_sort_key"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
