"""The sweep of each tick looks at the steps under way, not at all that there ever were."""

from django.db import migrations, models

from orchestration.backends.online_operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("consensus", "0002_plain_help_text"),
    ]

    operations = [
        AddIndexOnline(
            model_name="stepprogress",
            index=models.Index(
                condition=models.Q(("status__in", ("pending", "running"))),
                fields=["call"],
                name="step_under_way",
            ),
        ),
    ]
