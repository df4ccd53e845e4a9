"""What an author wants to have assessed."""

import apps.simulation.fields
import apps.simulation.models.cases
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trainerlab", "0004_picture_order"),
    ]

    operations = [
        migrations.AddField(
            model_name="scenariotemplate",
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
            model_name="scenariotemplate",
            name="key",
            field=models.CharField(
                help_text="Short name. Imports match scenarios by it.",
                max_length=64,
                unique=True,
                validators=[django.core.validators.validate_slug],
            ),
        ),
        migrations.AlterField(
            model_name="scenariotemplate",
            name="scenario",
            field=models.TextField(
                blank=True,
                default="",
                help_text="What has happened.",
                validators=[apps.simulation.fields.validate_text],
            ),
        ),
        migrations.AlterField(
            model_name="scenariotemplate",
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
            model_name="scenariotemplate",
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
