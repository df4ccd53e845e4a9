"""WSGI entry: REST and admin without streaming, the cheaper server for them."""

import os
from collections.abc import Iterable
from typing import Any

from asgiref.sync import AsyncSingleThreadContext
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

# isort: split
from config.warm_up import warm_up  # noqa: E402 - needs loaded models

warm_up()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's. Asynchronous views run in a thread beside the server's, which stays for the next request: to start one
    for each takes a fifth of a submit's CPU time."""
    AsyncSingleThreadContext().__enter__()  # entered once in each of the server's threads, and never left
    return django_application(environ, start_response)
