"""Mail settings in tests, on every Django."""

from __future__ import annotations

from typing import Any

from config.mailers import mail_settings


def use_mail(settings: Any, backend: str, **options: Any) -> None:
    """Let a class send the mail; `settings` is pytest-django's fixture."""
    for name, value in mail_settings(backend, **options).items():
        setattr(settings, name, value)
