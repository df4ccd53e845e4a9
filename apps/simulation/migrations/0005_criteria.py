"""What an author wants to have assessed."""

import apps.simulation.fields
import apps.simulation.models.cases
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("simulation", "0004_previews"),
    ]

    operations = [
        migrations.AddField(
            model_name="simulation",
            name="criteria",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                help_text="What the feedback assesses one by one, a list. Empty: what a good consultation needs.",
                validators=[apps.simulation.models.cases.validate_lines],
            ),
        ),
        migrations.AlterField(
            model_name="simulation",
            name="scenario",
            field=models.TextField(
                blank=True,
                default="",
                help_text="What has happened.",
                validators=[apps.simulation.fields.validate_text],
            ),
        ),
        migrations.AlterField(
            model_name="simulation",
            name="task",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="What the trainee should do. The briefing shows it: no diagnosis here.",
                validators=[apps.simulation.fields.validate_text],
            ),
        ),
        migrations.AlterField(
            model_name="simulation",
            name="treatment_points",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                help_text="What a correct plan includes, a list.",
                validators=[apps.simulation.models.cases.validate_lines],
            ),
        ),
    ]
