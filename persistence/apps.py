"""The Django app of persistence."""

from django.apps import AppConfig

from orchestration.django_q.registration import Periodic, add_periodic, allow_tasks
from orchestration.doctor.examinations import add_examinations


class PersistenceConfig(AppConfig):
    name = "persistence"
    verbose_name = "Persistence"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.contenttypes.models import ContentType
        from django.db.models.signals import pre_delete

        from orchestration.stats.added_metrics import add_metrics
        from persistence import checks, operations, receivers  # noqa: F401 - checks and operations register themselves
        from persistence.approval.figures import approval_metrics
        from persistence.exports import storage
        from persistence.maintenance import kept
        from persistence.models.chunks import remember_model
        from persistence.tracking import content_types, recorder, saved_files

        add_metrics(approval_metrics)
        add_examinations("persistence.examinations")
        allow_tasks("persistence.tasks", "persistence.export_tasks")
        add_periodic(
            Periodic(name="persistence drain", func="persistence.tasks.process_pending_persistence", minutes=1),
            Periodic(name="persistence retention", func="persistence.tasks.prune_content", minutes=60),
            Periodic(name="persistence approvals by mail", func="persistence.tasks.mail_approvals", minutes=60),
        )
        pre_delete.connect(remember_model, sender=ContentType, dispatch_uid="persistence.remember_model")
        content_types.connect()
        recorder.connect()
        saved_files.connect()
        receivers.connect()
        kept.register()
        storage.register()
