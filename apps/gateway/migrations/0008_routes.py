from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0007_nothing_to_compress")]

    operations = [
        migrations.AddField(
            model_name="interaction",
            name="client",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="interaction",
            name="route_reason",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
