from django.conf import settings
from django.db import migrations, models

import orchestration.models.saved_searches


class Migration(migrations.Migration):
    """A search that is shared outlives its owner."""

    dependencies = [
        ("orchestration", "0019_stream_chunks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="savedsearch",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                help_text="Empty for a shared one whose owner was deleted.",
                null=True,
                on_delete=orchestration.models.saved_searches.keep_shared,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
