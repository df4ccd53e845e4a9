"""Django with the settings of the tests, for what works in a scratch database; to be imported before it is used."""

import os

import django
from django.conf import settings

os.environ.setdefault("LOG_LEVEL", "ERROR")
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
settings.DEBUG = False  # with it Django keeps every query
