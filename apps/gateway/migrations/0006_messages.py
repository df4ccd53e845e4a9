from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0005_masked_terms'),
    ]

    operations = [
        migrations.AlterField(
            model_name='interaction',
            name='endpoint',
            field=models.CharField(choices=[('chat', 'Chat'), ('completions', 'Completions'), ('responses', 'Responses'), ('messages', 'Messages'), ('embeddings', 'Embeddings')], default='chat', max_length=16),
        ),
    ]
