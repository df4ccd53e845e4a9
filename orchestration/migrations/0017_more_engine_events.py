from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0016_engine_events"),
    ]

    operations = [
        migrations.AlterField(
            model_name="engineevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("deployment", "Deployment"),
                    ("pause", "Pause"),
                    ("resume", "Resume"),
                    ("start", "Start"),
                    ("restart", "Restart"),
                    ("killed", "Killed"),
                    ("circuit_opened", "Circuit Opened"),
                    ("circuit_closed", "Circuit Closed"),
                    ("prompt", "Prompt"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="engineevent",
            name="about",
            field=models.CharField(
                help_text="The service, model, node, client or component.", max_length=255
            ),
        ),
    ]
