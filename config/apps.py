"""The Django app of the project itself: periodic work, and django-q's admin with our validation."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_save


class ProjectConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from django_q.models import Schedule

        from config import schedules

        post_migrate.connect(schedules.create_all, sender=self.apps.get_app_config("django_q"))
        pre_save.connect(schedules.refuse_broken, sender=Schedule)
