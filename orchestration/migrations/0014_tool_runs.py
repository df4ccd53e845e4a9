"""Runs of tools."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0013_request_continues'),
    ]

    operations = [
        migrations.CreateModel(
            name='ToolRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(help_text='Within the answer, from 0.')),
                ('provider_call_id', models.CharField(max_length=128)),
                ('tool', models.CharField(max_length=128)),
                ('arguments', models.JSONField(blank=True, help_text='Empty when the model wrote no JSON.', null=True)),
                ('status', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('unknown', 'Unknown')], default='running', max_length=16)),
                ('attempts', models.PositiveIntegerField(default=1, help_text='Times it was begun; more when its worker died.')),
                ('result', models.JSONField(blank=True, null=True)),
                ('error_code', models.CharField(blank=True, default='', max_length=64)),
                ('error', models.TextField(blank=True, default='', help_text='As the model was told.')),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('call', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tool_runs', to='orchestration.servicecallrecord')),
                ('request', models.ForeignKey(help_text='The request whose answer asked.', on_delete=django.db.models.deletion.CASCADE, related_name='tool_runs', to='orchestration.airequestaudit')),
            ],
            options={
                'verbose_name': 'run of a tool',
                'verbose_name_plural': 'runs of tools',
                'db_table': 'tool_run',
                'ordering': ('request', 'position'),
                'indexes': [models.Index(fields=['call'], name='tool_run_call'), models.Index(fields=['-started_at'], name='tool_run_newest')],
                'constraints': [models.UniqueConstraint(fields=('request', 'position'), name='tool_run_unique'), models.CheckConstraint(condition=models.Q(('status__in', ['running', 'done', 'failed', 'unknown'])), name='tool_run_status_known'), models.CheckConstraint(condition=models.Q(('status__in', ('running', 'unknown')), ('finished_at__isnull', False), _connector='OR'), name='tool_run_finished_has_time')],
            },
        ),
    ]
