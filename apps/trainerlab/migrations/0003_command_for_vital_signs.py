from django.db import migrations, models

from orchestration.backends.online_operations import AddConstraintOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('trainerlab', '0002_case_details'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='sessionevent',
            name='session_event_kind_known',
        ),
        migrations.AlterField(
            model_name='sessionevent',
            name='kind',
            field=models.CharField(choices=[('event', 'Event'), ('direction', 'Direction'), ('finding', 'Finding'), ('vitals', 'Vitals'), ('pause', 'Pause'), ('resume', 'Resume'), ('end', 'End')], max_length=16),
        ),
        AddConstraintOnline(
            model_name='sessionevent',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['event', 'direction', 'finding', 'vitals', 'pause', 'resume', 'end'])), name='session_event_kind_known'),
        ),
    ]
