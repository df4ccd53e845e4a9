"""Indexes of calls and requests that few rows need have only those: each entry is written anew with each change of a call.

A call's id is found by its start through the key itself, so the key's second index goes. An older version that still
runs asks nothing that these indexes do not serve, but for that search, which is slow in it until it has ended.
"""

from django.db import migrations, models
from django.db.models import Q

from orchestration.backends.online_operations import AddIndexOnline, RemoveColumnIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("orchestration", "0021_held_results"),
    ]

    operations = [
        AddIndexOnline(
            "servicecallrecord",
            models.Index(fields=["parent"], condition=Q(("parent__isnull", False)), name="call_parent"),
        ),
        AddIndexOnline(
            "servicecallrecord",
            models.Index(
                fields=["related_content_type", "related_object_id"],
                condition=Q(("related_content_type__isnull", False)),
                name="call_about_object",
            ),
        ),
        AddIndexOnline(
            "servicecallrecord",
            models.Index(
                fields=["requested_by", "-created_at"],
                condition=Q(("requested_by__isnull", False)),
                name="call_owner_newest",
            ),
        ),
        AddIndexOnline(
            "airequestaudit",
            models.Index(fields=["repair_of"], condition=Q(("repair_of__isnull", False)), name="audit_repair_of"),
        ),
        RemoveIndexOnline("servicecallrecord", "call_related"),
        RemoveIndexOnline("servicecallrecord", "call_owner_created"),
        RemoveColumnIndexOnline("servicecallrecord", "id"),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                RemoveColumnIndexOnline("servicecallrecord", "parent"),
                RemoveColumnIndexOnline("airequestaudit", "repair_of"),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="servicecallrecord",
                    name="parent",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="reruns",
                        to="orchestration.servicecallrecord",
                    ),
                ),
                migrations.AlterField(
                    model_name="airequestaudit",
                    name="repair_of",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="repairs",
                        to="orchestration.airequestaudit",
                    ),
                ),
            ],
        ),
    ]
