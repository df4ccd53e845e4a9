"""The Django app of the project itself: what a deployment is checked for."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        from config import checks

        checks.install()
