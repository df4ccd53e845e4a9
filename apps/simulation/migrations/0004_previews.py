"""Simulations that an author tries a scenario with are left out of lists."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("simulation", "0003_vital_signs_and_examinations"),
    ]

    operations = [
        migrations.AddField(
            model_name="simulation",
            name="is_preview",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
