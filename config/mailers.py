"""Django's settings for mail: MAILERS since 6.1, which refuses to stand beside the older ones; EMAIL_… before."""

from __future__ import annotations

from typing import Any

import django

OLDER_NAMES = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "file_path": "EMAIL_FILE_PATH",
}
"""The options of Django's own backends, by the setting that each was before 6.1."""


def mail_settings(backend: str, **options: Any) -> dict[str, Any]:
    """The settings that send all mail with a backend, as this Django names them."""
    if django.VERSION >= (6, 1):
        return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    return {"EMAIL_BACKEND": backend, **{OLDER_NAMES[name]: value for name, value in options.items()}}
