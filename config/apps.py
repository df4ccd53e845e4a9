"""The Django app of the project itself: periodic work, and when the admin's pages are loaded."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.core.checks import CheckMessage
from django.db.models.signals import post_migrate, pre_save


class AdminConfig(SimpleAdminConfig):
    """Django's admin, whose pages are loaded with the URLs, or to be checked: workers and commands start without."""

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(**kwargs: Any) -> list[CheckMessage]:
    """Django's own check of every page, whether or not the URLs were loaded before."""
    autodiscover()
    found: list[CheckMessage] = check_admin_app(**kwargs)
    return found


class ProjectConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from django_q.models import Schedule

        from config import schedules

        post_migrate.connect(schedules.create_all, sender=self.apps.get_app_config("django_q"))
        pre_save.connect(schedules.refuse_broken, sender=Schedule)
