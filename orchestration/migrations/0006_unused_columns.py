"""Take three columns that nothing reads out of the models, and leave them in the tables for one more release.

A running older version still names them when it inserts and selects. This version does not, so they get a default in
the database. The release after this one drops them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0005_rerun_words'),
    ]

    operations = [
        migrations.AlterField(
            model_name='servicecallrecord',
            name='backend',
            field=models.CharField(blank=True, db_default='django_q', default='django_q', max_length=64),
        ),
        migrations.AlterField(
            model_name='airequestaudit',
            name='stream',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(model_name='servicecallrecord', name='backend'),
                migrations.RemoveField(model_name='servicecallrecord', name='task_id'),
                migrations.RemoveField(model_name='airequestaudit', name='stream'),
            ],
        ),
    ]
