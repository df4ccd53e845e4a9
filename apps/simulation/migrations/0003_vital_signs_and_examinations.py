from django.db import migrations, models

from orchestration.backends.online_operations import AddConstraintOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('simulation', '0002_case_details_and_rubric'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='simulationmetadata',
            name='simulation_metadata_kind_known',
        ),
        migrations.AlterField(
            model_name='simulationmetadata',
            name='kind',
            field=models.CharField(choices=[('demographics', 'Demographics'), ('history', 'History'), ('lab_result', 'Lab Result'), ('radiology_result', 'Radiology Result'), ('vital', 'Vital'), ('exam', 'Exam')], max_length=32),
        ),
        AddConstraintOnline(
            model_name='simulationmetadata',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['demographics', 'history', 'lab_result', 'radiology_result', 'vital', 'exam'])), name='simulation_metadata_kind_known'),
        ),
    ]
