"""What results did to an object, the newest first: without it, an object with few rows is looked for in all of them."""

from django.db import migrations, models

from orchestration.backends.online_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("persistence", "0012_bulk_rights"),
    ]

    operations = [
        AddIndexOnline(
            model_name="persistedobject",
            index=models.Index(fields=["object_id", "content_type", "-id"], name="persisted_object_newest"),
        ),
    ]
