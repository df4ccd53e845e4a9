"""ASGI entry: REST, admin, streaming and the gateway in one process."""

import os

from django.core.asgi import get_asgi_application
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

# isort: split
from apps.gateway.asgi import GatewayThenDjango  # noqa: E402 - needs loaded models
from config.warm_up import warm_up  # noqa: E402

warm_up()

for database in connections.settings.values():
    # Each request has a thread of its own, which ends with it: a connection that is kept would belong to no request,
    # and stay open until it is garbage-collected.
    database["CONN_MAX_AGE"] = 0

application = GatewayThenDjango(django_application)
