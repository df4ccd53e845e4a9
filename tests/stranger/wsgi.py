"""Serves the project, its static files too."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.stranger.settings")
application = StaticFilesHandler(get_wsgi_application())
