"""WSGI entry: REST and admin without streaming, the cheaper server for them."""

import os

from django.core.wsgi import get_wsgi_application

from orchestration.api.event_loops import serve_without_event_loop

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
serve_without_event_loop()
application = get_wsgi_application()

# isort: split
from config.warm_up import warm_up  # noqa: E402 - needs loaded models

warm_up()
