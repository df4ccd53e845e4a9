import apps.simulation.fields
import apps.simulation.models.cases
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('simulation', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='simulation',
            name='accepted_diagnoses',
            field=models.JSONField(blank=True, db_default=[], default=list, help_text='What counts as the diagnosis, too: abbreviations, everyday words, a list.', validators=[apps.simulation.models.cases.validate_lines]),
        ),
        migrations.AddField(
            model_name='simulation',
            name='patient_age',
            field=models.IntegerField(blank=True, help_text='In years.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(120)], verbose_name='age'),
        ),
        migrations.AddField(
            model_name='simulation',
            name='patient_occupation',
            field=models.CharField(blank=True, db_default='', default='', max_length=100, validators=[apps.simulation.fields.validate_line], verbose_name='occupation'),
        ),
        migrations.AddField(
            model_name='simulation',
            name='patient_sex',
            field=models.CharField(blank=True, choices=[('female', 'Female'), ('male', 'Male'), ('other', 'Other')], db_default='', default='', max_length=16, verbose_name='sex'),
        ),
        migrations.AddField(
            model_name='simulation',
            name='setting',
            field=models.CharField(blank=True, db_default='', default='', help_text='Where and when: emergency department, Saturday evening.', max_length=255, validators=[apps.simulation.fields.validate_line]),
        ),
        migrations.AddField(
            model_name='simulation',
            name='task',
            field=models.TextField(blank=True, db_default='', default='', help_text='What the trainee is to do. The briefing shows it: no diagnosis here.', validators=[apps.simulation.fields.validate_text]),
        ),
        migrations.AddField(
            model_name='simulation',
            name='treatment_points',
            field=models.JSONField(blank=True, db_default=[], default=list, help_text='What a right plan contains, a list.', validators=[apps.simulation.models.cases.validate_lines]),
        ),
        migrations.AddField(
            model_name='simulationfeedback',
            name='diagnosis_named',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='simulationfeedback',
            name='next_time',
            field=models.JSONField(blank=True, db_default=[], default=list),
        ),
        migrations.AddField(
            model_name='simulationfeedback',
            name='rubric',
            field=models.JSONField(blank=True, db_default=[], default=list),
        ),
    ]
