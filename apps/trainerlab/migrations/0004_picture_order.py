"""Pictures of a scenario have an order."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trainerlab", "0003_command_for_vital_signs"),
    ]

    operations = [
        migrations.AddField(
            model_name="scenarioimage",
            name="position",
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AlterModelOptions(
            name="scenarioimage",
            options={"ordering": ("position", "id")},
        ),
    ]
