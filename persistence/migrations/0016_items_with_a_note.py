"""An index of the items of bulk runs that say why: of those that were done, only forced ones do.

An older version that still runs writes such items as before.
"""

from django.db import migrations, models
from django.db.models import Q

from orchestration.backends.online_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("persistence", "0015_approval"),
    ]

    operations = [
        AddIndexOnline(
            "bulkitem",
            models.Index(fields=["run", "id"], condition=Q(("error__gt", "")), name="bulk_item_note"),
        ),
    ]
