"""An index of due calls without ordering key, so that a claim passes over none of those that wait for their turn."""

from django.db import migrations, models

import orchestration.models.priority_aging
from orchestration.backends.online_operations import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('orchestration', '0008_format_versions'),
    ]

    operations = [
        AddIndexOnline(
            model_name='servicecallrecord',
            index=models.Index(
                orchestration.models.priority_aging.VirtualDueTime('due_at', 'priority'), models.F('due_at'), models.F('id'),
                condition=models.Q(('ordering_key', ''), ('status', 'queued')), name='call_due_without_key',
            ),
        ),
    ]
