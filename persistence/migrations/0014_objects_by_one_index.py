"""The index of objects, newest first, serves every search that the one without the order served."""

from django.db import migrations

from orchestration.backends.online_operations import RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("persistence", "0013_objects_newest_first"),
    ]

    operations = [
        RemoveIndexOnline(model_name="persistedobject", name="persisted_object_lookup"),
    ]
