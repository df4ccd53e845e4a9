"""The one place that reads the environment. A value that cannot be read stops the start and names its variable."""

from __future__ import annotations

import warnings
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

_environment = environ.Env()
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def text(name: str, default: str = "") -> str:
    """A variable that is set to nothing counts as not set."""
    return str(_environment.str(name, default="")).strip() or default


def flag(name: str, default: bool) -> bool:
    value = text(name)
    if not value:
        return default
    if value.lower() not in _FLAGS:
        raise ImproperlyConfigured(f"{name}={value!r}: write true or false.")
    return _FLAGS[value.lower()]


def number(name: str, default: int, *, at_least: int) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < at_least:
        raise ImproperlyConfigured(f"{name}={value!r}: write a whole number, {at_least} or more.")
    return int(value)


def decimal(name: str, default: str, *, at_least: str, at_most: str) -> Decimal:
    value = text(name, default)
    try:
        number_given = Decimal(value)
    except InvalidOperation:
        number_given = Decimal("NaN")
    if not (number_given.is_finite() and Decimal(at_least) <= number_given <= Decimal(at_most)):
        raise ImproperlyConfigured(f"{name}={value!r}: write a number from {at_least} to {at_most}.")
    return number_given


def whole(name: str, default: int, *, at_least: int, at_most: int) -> int:
    value = number(name, default, at_least=at_least)
    if value > at_most:
        raise ImproperlyConfigured(f"{name}={value!r}: write a whole number from {at_least} to {at_most}.")
    return value


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r}: write one of {', '.join(allowed)}.")
    return value


def words(name: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def database(name: str, default: str) -> dict[str, Any]:
    """A database URL as Django's settings; the URL itself is never shown, because it may hold a password."""
    wanted = "write sqlite:////absolute/path or postgres://user:password@host:port/name"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            config: dict[str, Any] = _environment.db_url_config(text(name, default))
    except (ValueError, UserWarning):
        raise ImproperlyConfigured(f"{name} is not a database URL: {wanted}.") from None
    if not config.get("NAME") or not config["ENGINE"].endswith(("sqlite3", "postgresql")):
        raise ImproperlyConfigured(f"{name} names no SQLite file and no PostgreSQL database: {wanted}.")
    return config


DEBUG = flag("DJANGO_DEBUG", default=True)
SECRET_KEY = text("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = words("DJANGO_ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = words("DJANGO_CSRF_TRUSTED_ORIGINS")
SSL_REDIRECT = flag("DJANGO_SSL_REDIRECT", default=True)
"""Only without DJANGO_DEBUG; false when a proxy in front redirects."""
BEHIND_PROXY = flag("DJANGO_BEHIND_PROXY", default=False)
"""Trust X-Forwarded-Proto; only when a proxy always sets it."""
HSTS_SECONDS = number("DJANGO_HSTS_SECONDS", 31_536_000, at_least=0)

VAR_DIR = Path(text("ORCA_VAR_DIR", str(BASE_DIR / "var"))).absolute()
DATABASE = database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
DATABASE_POOL = flag("DATABASE_POOL", default=False)
"""True in ASGI web processes on PostgreSQL, never in workers: a pool does not survive their fork."""
DATABASE_BEHIND_POOLER = flag("DATABASE_BEHIND_POOLER", default=False)
"""True behind PgBouncer or the like: a transaction may run on another connection than the one before."""
REDIS_URL = text("REDIS_URL")
BROKER = choice("ORCA_BROKER", "orm", ("orm", "redis"))
WORKERS = number("Q_WORKERS", 3, at_least=1)
CLUSTER_NAME = text("Q_CLUSTER_NAME")
DEDICATED_CLUSTERS = flag("ORCA_DEDICATED_CLUSTERS", default=False)
"""True: model calls run in the cluster `llm`, domain rows in `persistence`, the rest in the default one."""
LOG_LEVEL = choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))

PROVIDER_KEY_GIVEN = bool(text("ORCA_PROVIDER_API_KEY") or text("OPENAI_API_KEY"))
PROVIDER = choice("ORCA_PROVIDER", "openai" if PROVIDER_KEY_GIVEN else "simulator", ("openai", "simulator"))
PROVIDER_BASE_URL = text("OPENAI_BASE_URL") or None
MODEL = text("ORCA_MODEL", "gpt-4o-mini")
SURFACE = choice("ORCA_SURFACE", "responses", ("responses", "chat"))
CONCURRENCY = number("ORCA_CONCURRENCY", 64, at_least=1)

CONSENSUS: dict[str, Any] = {
    "MAX_RETRIES_PER_PERSONA": whole("MAX_RETRIES_PER_PERSONA", 3, at_least=1, at_most=10),
    "RETRY_INITIAL_BACKOFF_SECONDS": float(
        decimal("RETRY_INITIAL_BACKOFF_SECONDS", "1.0", at_least="0.1", at_most="60")
    ),
    "RETRY_BACKOFF_MULTIPLIER": float(decimal("RETRY_BACKOFF_MULTIPLIER", "2.0", at_least="1", at_most="10")),
    "PERSONA_TEMPLATE_VERSION": text("PERSONA_TEMPLATE_VERSION", "1.0.0"),
    "EXPAND_MODEL": text("EXPAND_MODEL"),
    "EXPAND_TEMPERATURE": decimal("EXPAND_TEMPERATURE", "0.7", at_least="0", at_most="2"),
    "REVIEW_MODEL": text("REVIEW_MODEL"),
    "REVIEW_TEMPERATURE": decimal("REVIEW_TEMPERATURE", "0.2", at_least="0", at_most="2"),
}
"""How the consensus engine asks and asks again; models left empty are ORCA_MODEL."""

GATEWAY: dict[str, Any] = {
    "ENCRYPTION_KEYS": tuple(words("GATEWAY_ENCRYPTION_KEYS")),
    "ENCRYPTION_KEY_FILE": text("GATEWAY_ENCRYPTION_KEY_FILE", str(VAR_DIR / "gateway.key") if DEBUG else "") or None,
    "MAKE_KEY_FILE": DEBUG,
}
"""Keys of the gateway's records: given here, or one a line in a file; with DJANGO_DEBUG the file is made."""

if BROKER == "redis" and not REDIS_URL:
    raise ImproperlyConfigured("ORCA_BROKER=redis needs REDIS_URL, for example redis://127.0.0.1:6379/0.")
if not DEBUG and not SECRET_KEY:
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY is not set. It is required without DJANGO_DEBUG, and the same in web processes and workers."
    )
if CLUSTER_NAME not in ("", "orchestrai") and not (DEDICATED_CLUSTERS and CLUSTER_NAME in ("llm", "persistence")):
    raise ImproperlyConfigured(
        f"Q_CLUSTER_NAME={CLUSTER_NAME!r} is not a cluster of this project: leave it empty, or set"
        " ORCA_DEDICATED_CLUSTERS=true and name llm or persistence."
    )
