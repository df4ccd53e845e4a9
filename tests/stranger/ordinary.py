"""The same as `startproject` has it: Django's own site, frame and language. Its pages are looked at in a browser."""

from tests.stranger.settings import *  # noqa: F403 - the same but for what follows
from tests.stranger.settings import INSTALLED_APPS, TEMPLATES

INSTALLED_APPS = ["django.contrib.admin", *INSTALLED_APPS[1:]]
TEMPLATES[0]["DIRS"] = []
TEMPLATES[0]["OPTIONS"]["context_processors"] += ["django.template.context_processors.request"]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = False
