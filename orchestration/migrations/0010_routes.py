"""Which of several routes a call goes, and why."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0009_due_without_key'),
    ]

    operations = [
        migrations.AddField(
            model_name='servicecallrecord',
            name='route_reason',
            field=models.TextField(blank=True, help_text='Why it does not go to the first of its routes: what held or failed there.', null=True),
        ),
        migrations.AddField(
            model_name='servicecallrecord',
            name='routes_left',
            field=models.SmallIntegerField(blank=True, editable=False, help_text='Which routes of its service it may still ask before it waits, a bit for each; empty: it has one.', null=True),
        ),
    ]
