"""A state of persistence for results that wait for a person, which holds up its ordering key where that is declared."""

from django.db import migrations, models

from orchestration.backends.online_operations import AddConstraintOnline, AddIndexOnline

STATES = ["none", "pending", "held", "persisted", "skipped", "dead"]
LEFT_IN_THE_TABLE = {
    "backend": models.CharField(blank=True, db_default="django_q", default="django_q", max_length=64),
    "task_id": models.CharField(blank=True, max_length=128, null=True),
}
"""Columns that 0006 took out of the state alone: SQLite copies the table for a constraint, and only what it is told."""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("orchestration", "0020_shared_searches_stay"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(model_name="servicecallrecord", name=name, field=field)
                for name, field in LEFT_IN_THE_TABLE.items()
            ],
        ),
        migrations.AlterField(
            model_name="servicecallrecord",
            name="domain_persist_state",
            field=models.CharField(
                choices=[(state, state.capitalize()) for state in STATES], default="none", max_length=16
            ),
        ),
        migrations.RemoveConstraint(model_name="servicecallrecord", name="call_persist_state_known"),
        AddConstraintOnline(
            model_name="servicecallrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("domain_persist_state__in", STATES)), name="call_persist_state_known"
            ),
        ),
        AddConstraintOnline(
            model_name="servicecallrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("domain_persist_state", "held"), _negated=True),
                    ("status", "succeeded"),
                    _connector="OR",
                ),
                name="call_held_is_succeeded",
            ),
        ),
        AddIndexOnline(
            model_name="servicecallrecord",
            index=models.Index(
                condition=models.Q(("domain_persist_state", "held")),
                fields=["-created_at", "-id"],
                name="call_list_held",
            ),
        ),
        AddIndexOnline(
            model_name="servicecallrecord",
            index=models.Index(
                condition=models.Q(
                    models.Q(("ordering_key", ""), _negated=True),
                    models.Q(
                        ("status__in", ["queued", "running"]),
                        ("domain_persist_state", "pending"),
                        models.Q(("ordering_policy", "hold"), ("status", "failed")),
                        models.Q(("domain_persist_state", "dead"), ("ordering_policy", "hold")),
                        models.Q(("domain_persist_state", "held"), ("ordering_policy", "hold")),
                        _connector="OR",
                    ),
                ),
                fields=["ordering_key", "sequence"],
                name="call_ordering_first",
            ),
        ),
        migrations.RemoveIndex(model_name="servicecallrecord", name="call_ordering_head"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(model_name="servicecallrecord", name=name) for name in LEFT_IN_THE_TABLE
            ],
        ),
    ]
