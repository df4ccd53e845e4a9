"""No column changes: one text is said in plain words."""

from decimal import Decimal

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consensus", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="promptset",
            name="rerun_threshold",
            field=models.DecimalField(
                decimal_places=4,
                default=Decimal("0.70"),
                help_text="Reviewers who scored below this review a revision again.",
                max_digits=5,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("1")),
                ],
            ),
        ),
    ]
