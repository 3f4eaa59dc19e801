from django.db import migrations

import orgs.natural


class Migration(migrations.Migration):

    dependencies = [
        ("devices", "0009_closures"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="sort_key",
            field=orgs.natural.SortKeyField(max_length=255),
        ),
    ]
