"""The same with the console, on a site of its own that has the console's theme."""

from persistence.theme import CONSOLE
from tests.stranger.settings import *  # noqa: F403 - the same but for what follows
from tests.stranger.settings import INSTALLED_APPS, TEMPLATES

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "import_export",
    "django_htmx",
    "tests.stranger.apps.ConsoleAdmin",
    *INSTALLED_APPS[1:],
]
UNFOLD = {**CONSOLE, "SITE_TITLE": "The office"}
TEMPLATES[0]["DIRS"] = []  # what it has there is made for Django's own theme
TEMPLATES[0]["OPTIONS"]["context_processors"] += ["django.template.context_processors.request"]  # unfold's templates
