from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("persistence", "0010_erasure"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkrun",
            name="starts_at",
            field=models.DateTimeField(
                blank=True, help_text="Of a draft: when it starts by itself.", null=True
            ),
        ),
        migrations.AddField(
            model_name="bulkrun",
            name="per_minute",
            field=models.IntegerField(blank=True, help_text="Items a minute at most; empty: no limit.", null=True),
        ),
        migrations.AddField(
            model_name="bulkrun",
            name="next_item_at",
            field=models.DateTimeField(
                blank=True, help_text="With a pace: no item begins before this.", null=True
            ),
        ),
        migrations.AddField(
            model_name="bulkrun",
            name="list_query",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="The query of the list of calls whose matches were frozen.",
            ),
        ),
    ]
