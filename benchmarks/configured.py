"""Django with the project's own settings, on the database of DATABASE_URL; to be imported before it is used."""

import os

import django

os.environ.setdefault("LOG_LEVEL", "ERROR")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
