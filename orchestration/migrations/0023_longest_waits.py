"""Indexes by which the console finds what waits longest, and what waits for another attempt, in a queue of any length.

An older version that still runs asks nothing that they serve, and is served by none of them worse.
"""

from django.db import migrations, models
from django.db.models import F, Q

from orchestration.backends.online_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("orchestration", "0022_smaller_indexes"),
    ]

    operations = [
        AddIndexOnline(
            "servicecallrecord",
            models.Index(
                F("due_at"), F("ordering_key"), F("id"), condition=Q(("status", "queued")), name="call_longest_due"
            ),
        ),
        AddIndexOnline(
            "servicecallrecord",
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(("error_code__gt", ""), ("status", "queued")),
                name="call_list_retried",
            ),
        ),
        AddIndexOnline(
            "servicecallrecord",
            models.Index(
                fields=["next_persist_at"],
                condition=Q(("domain_persist_state", "pending")),
                name="call_longest_pending",
            ),
        ),
    ]
