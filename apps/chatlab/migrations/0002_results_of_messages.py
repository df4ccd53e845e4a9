from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chatlab', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='data',
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
    ]
