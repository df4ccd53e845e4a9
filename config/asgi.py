"""ASGI entry: REST, admin, streaming, and the gateway in front of them, in one process."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

# isort: split
from apps.gateway.asgi import FrontDoor  # noqa: E402 - needs loaded models

application = FrontDoor(django_application)
