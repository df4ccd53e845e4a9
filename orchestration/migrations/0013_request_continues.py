"""Which request continues after the tools of which."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0012_due_with_routes'),
    ]

    operations = [
        migrations.AddField(
            model_name='airequestaudit',
            name='continues',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, help_text='The request whose answer asked for tools. What was said up to there, and the tools and schema that were sent, are with the first request of that chain.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='orchestration.airequestaudit'),
        ),
    ]
