"""Why an attempt went where it did. Apart from the call's columns: a transaction that locks both tables can deadlock
with a worker that writes to both."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0010_routes'),
    ]

    operations = [
        migrations.AddField(
            model_name='airequestaudit',
            name='route_reason',
            field=models.TextField(blank=True, help_text='Why it did not go to the first route of the call.', null=True),
        ),
    ]
