import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("persistence", "0011_bulk_pace_and_schedule"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkrun",
            name="authorized_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="Who started or resumed it last: in that name it writes.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="bulkrun",
            name="channel",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Command line, console or REST.", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="bulkrun",
            name="credential",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The key with which it was asked for.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="bulkrun",
            name="format_version",
            field=models.SmallIntegerField(
                blank=True,
                editable=False,
                help_text="Of the options, the parts and what a run keeps to.",
                null=True,
            ),
        ),
    ]
