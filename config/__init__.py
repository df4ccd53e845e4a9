"""The wiring of the project: settings and environment, URLs, both APIs, django-q, ASGI and WSGI."""
