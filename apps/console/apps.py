"""The Django app `console`."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.core.checks import CheckMessage


class AdminConfig(SimpleAdminConfig):
    """Django's admin. Its pages are imported with the URLs or by a check, not by workers and commands."""

    default_site = "apps.console.site.ConsoleSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(**kwargs: Any) -> list[CheckMessage]:
    """Django's own check of every admin page, whether or not the URLs are loaded."""
    autodiscover()
    found: list[CheckMessage] = check_admin_app(**kwargs)
    return found


class ConsoleConfig(AppConfig):
    name = "apps.console"
    label = "console"
