"""An index of due calls with several routes, so that those that go around what is held are found without the others."""

from django.db import migrations, models

import orchestration.models.priority_aging
from orchestration.backends.online_operations import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('orchestration', '0011_routes_of_attempts'),
    ]

    operations = [
        AddIndexOnline(
            model_name='servicecallrecord',
            index=models.Index(
                models.F('service_identity'), models.F('client'), models.F('model_requested'), models.F('routes_left'),
                orchestration.models.priority_aging.VirtualDueTime('due_at', 'priority'), models.F('due_at'), models.F('id'),
                condition=models.Q(('routes_left__isnull', False), ('status', 'queued')), name='call_due_with_routes',
            ),
        ),
    ]
