"""Whether the pages of the admin have the theme and the files of the extra `console`."""

from django.apps import apps

CONSOLE_APPS = ("unfold", "unfold.contrib.filters", "unfold.contrib.import_export", "import_export", "django_htmx")
"""What the console is built with."""


def has_console() -> bool:
    """True when all of them are installed; otherwise the pages are in Django's own theme, without import and export."""
    return all(apps.is_installed(name) for name in CONSOLE_APPS)
