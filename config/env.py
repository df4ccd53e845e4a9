"""The one place that reads the environment. An invalid value stops the start with an error that names its variable."""

from __future__ import annotations

import json
import re
import warnings
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from config.mailers import OLDER_NAMES, mail_settings
from orchestration.providers.short_names import SHORT_NAMES

BASE_DIR = Path(__file__).resolve().parent.parent

_environment = environ.Env()
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
LOOPBACK = re.compile(r"127(\.\d{1,3}){3}", re.ASCII)
MAIL_SECONDS = 20
"""How long a mail server may take to answer: without a limit Django would let a worker wait for ever."""
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


def is_local(host: str) -> bool:
    """Whether a name of ALLOWED_HOSTS is of this machine alone."""
    name = host.strip("[]").lower().rstrip(".")
    return name in ("localhost", "::1") or name.endswith(".localhost") or bool(LOOPBACK.fullmatch(name))


def json_object(name: str) -> dict[str, Any]:
    """A JSON object; empty when the variable is not set."""
    try:
        value = json.loads(text(name, "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{name} is not a JSON object: write {{"api_version": "2024-10-21"}}, for example.')
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
        raise ImproperlyConfigured(f"{name} does not name an SQLite file or a PostgreSQL database: {wanted}.")
    return config


def mail(name: str, default: str) -> dict[str, Any]:
    """A mail server's URL as Django's settings; the URL itself is never shown, because it may hold a password."""
    given = text(name, default)
    try:
        config: dict[str, Any] = _environment.email_url_config(given)
    except (KeyError, ValueError, ImproperlyConfigured):
        config = {}
    more = config.pop("OPTIONS", {})
    options = {option: config.get(older) for option, older in OLDER_NAMES.items() if config.get(older)}
    options["timeout"] = seconds = more.pop("TIMEOUT", MAIL_SECONDS)
    by_smtp = str(config.get("EMAIL_BACKEND")).endswith("smtp.EmailBackend")
    # Nothing may follow the host in the URL of a server: a password with / # or ? was not escaped.
    cut_short = "file_path" in options or re.search(r"#|\?.*@", given) or "host" not in options
    if not config or more or (by_smtp and cut_short) or not isinstance(seconds, int) or seconds < 1:
        raise ImproperlyConfigured(
            f"{name} is not the URL of a mail server: write smtp+tls://user:password@host:587, smtp+ssl://…:465,"
            f" smtp://host:25 or consolemail://; ?timeout= gives the seconds to wait for its answer ({MAIL_SECONDS})."
            " In user and password write %2F for /, %23 for #, %3F for ?, %40 for @ and %25 for %."
        )
    accepted = options if by_smtp else {key: value for key, value in options.items() if key == "file_path"}
    return mail_settings(config["EMAIL_BACKEND"], **accepted)


def storage(name: str) -> dict[str, Any]:
    """Where uploaded and exported files are kept, as an entry of Django's STORAGES; a local folder by default."""
    given = text(name)
    if not given:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    url = urlsplit(given)
    options = dict(parse_qsl(url.query))
    unknown = sorted(set(options) - {"endpoint", "region"})
    endpoint = urlsplit(options.get("endpoint", "https://amazon"))
    is_server = endpoint.scheme in ("http", "https") and endpoint.hostname and not endpoint.username
    if url.scheme != "s3" or not BUCKET.fullmatch(url.netloc) or url.fragment or unknown or not is_server:
        raise ImproperlyConfigured(
            f"{name} is not a storage: write s3://bucket/prefix?endpoint=https://host&region=name, without the last"
            " two for Amazon's own. The keys go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise ImproperlyConfigured(f"{name} needs django-storages: install orchestrai[s3].")
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": url.netloc,
            "location": url.path.strip("/"),
            "endpoint_url": options.get("endpoint"),
            "region_name": options.get("region"),
            "file_overwrite": False,  # two uploads of one name are two files
            "default_acl": None,
        },
    }


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).absolute()


DEBUG = flag("DJANGO_DEBUG", default=True)
SECRET_KEY = text("DJANGO_SECRET_KEY")
ALLOWED_HOSTS = words("DJANGO_ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = words("DJANGO_CSRF_TRUSTED_ORIGINS")
SSL_REDIRECT = flag("DJANGO_SSL_REDIRECT", default=True)
"""Only without DJANGO_DEBUG; false when a proxy in front redirects."""
BEHIND_PROXY = flag("DJANGO_BEHIND_PROXY", default=False)
"""Trust X-Forwarded-Proto; only when a proxy always sets it."""
HSTS_SECONDS = number("DJANGO_HSTS_SECONDS", 31_536_000, at_least=0)
HSTS_SUBDOMAINS = flag("DJANGO_HSTS_SUBDOMAINS", default=False)
HSTS_PRELOAD = flag("DJANGO_HSTS_PRELOAD", default=False)
"""Both bind every name below the domain, and the second cannot be revoked for months."""
INSIDE_TOKEN = text("ORCA_INSIDE_TOKEN")
"""Opens /metrics and the description of the API without DJANGO_DEBUG, besides to staff."""
PUBLISHED_KEY = "django-insecure-embedded-demo-key-never-for-production-0123456789abcdef"
"""The key of the embedded demo, which is public."""

VAR_DIR = folder("ORCA_VAR_DIR", BASE_DIR / "var")
STATIC_DIR = folder("ORCA_STATIC_DIR", VAR_DIR / "static")
"""What `collectstatic` writes: part of an image."""
DATA_DIR = folder("ORCA_DATA_DIR", VAR_DIR)
"""Data that must be kept, on a volume: media, the gateway's key file, the embedded database."""
RUN_DIR = folder("ORCA_RUN_DIR", VAR_DIR / "run")
"""Locks of running processes, on a local disk."""
STORAGE = storage("ORCA_STORAGE_URL")
INSTALLATION = text("ORCA_INSTALLATION")
"""Distinguishes installations that share a Redis: it is part of the names of their queues and cache entries."""
if INSTALLATION and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", INSTALLATION):
    raise ImproperlyConfigured(
        f"ORCA_INSTALLATION={INSTALLATION!r}: write up to 32 lower-case letters, digits and hyphens."
    )
EMAIL_GIVEN = bool(text("EMAIL_URL"))
EMAIL = mail("EMAIL_URL", "consolemail://" if DEBUG else "smtp://localhost:25")
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", "webmaster@localhost")
DATABASE = database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")
DATABASE_POOL = flag("DATABASE_POOL", default=False)
"""True in ASGI web processes on PostgreSQL, never in workers: a pool does not survive their fork."""
DATABASE_BEHIND_POOLER = flag("DATABASE_BEHIND_POOLER", default=False)
"""True behind PgBouncer or the like: a transaction may run on another connection than the one before."""
REDIS_URL = text("REDIS_URL")
BROKER = choice("ORCA_BROKER", "orm", ("orm", "redis"))
"""Where wake-ups wait: in the database, or in the Redis of REDIS_URL."""
WORKERS = number("Q_WORKERS", 3, at_least=1)
QUEUE_NAME = f"orchestrai-{INSTALLATION}" if INSTALLATION else "orchestrai"
CLUSTER_NAME = text("Q_CLUSTER_NAME")
"""Of a worker node: which of the dedicated clusters it is."""
DEDICATED_CLUSTERS = flag("ORCA_DEDICATED_CLUSTERS", default=False)
"""True: model calls run in the cluster `llm`, domain rows in `persistence`, the rest in the default one."""
TASKS = words("ORCA_TASKS")
"""Dotted paths of functions, or of modules, that workers may run besides the project's own tasks."""
WRITES_PER_MINUTE = number("ORCA_WRITES_PER_MINUTE", 600, at_least=1)
ASKING_PER_MINUTE = number("ORCA_ASKING_PER_MINUTE", 60, at_least=6)
CALLS_PER_MINUTE = number("ORCA_CALLS_PER_MINUTE", 20_000, at_least=1)
"""What one person may do in a minute, see apps/accounts/throttle.py; a full review counts as six."""
LOG_LEVEL = choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
"""What is logged to stderr, and what is more important."""

PROVIDER_KEY_GIVEN = bool(text("ORCA_PROVIDER_API_KEY") or text("OPENAI_API_KEY"))
PROVIDER = choice("ORCA_PROVIDER", "openai" if PROVIDER_KEY_GIVEN else "simulator", tuple(SHORT_NAMES))
"""Who answers: a real model where there is a key, else the simulated one, which invents answers and costs nothing."""
IS_OPENAI = PROVIDER == "openai"
PROVIDER_BASE_URL = text("ORCA_PROVIDER_BASE_URL", text("OPENAI_BASE_URL") if IS_OPENAI else "") or None
PROVIDER_KEY_VARIABLE = next(
    (
        name
        for name, means_it in (
            ("ORCA_PROVIDER_API_KEY", True),
            ("OPENAI_API_KEY", IS_OPENAI and text("OPENAI_BASE_URL") == PROVIDER_BASE_URL),
        )
        if means_it and text(name)
    ),
    None,
)
"""OPENAI_BASE_URL beside OPENAI_API_KEY says that this key is meant for that server, as for every program with OpenAI's
SDK. It is sent to no other server of ORCA_CONFIG except OpenAI's own. None: the provider's own variable."""
MODEL = text("ORCA_MODEL", "gpt-4o-mini" if PROVIDER in ("openai", "simulator") else "")
"""Which model; only `openai` and `simulator` have one by default."""
SURFACE = text("ORCA_SURFACE")
"""Which of the provider's APIs; empty: its first one (OpenAI's `responses`)."""
PROVIDER_OPTIONS = json_object("ORCA_PROVIDER_OPTIONS")
"""What is particular to the provider, as a JSON object: `{"api_version": "2024-10-21"}`."""
PROVIDER_TOKEN = text("ORCA_PROVIDER_TOKEN") or None
"""A function, `module:function`, that returns a bearer token in place of a key."""
CONCURRENCY = number("ORCA_CONCURRENCY", 256, at_least=1)
SIMULATOR_PACE_MS = number("ORCA_SIMULATOR_PACE_MS", 30, at_least=0)
"""Milliseconds between two words of a simulated patient, whom one hears speak."""

CONSENSUS: dict[str, Any] = {
    "MAX_RETRIES_PER_PERSONA": whole("MAX_RETRIES_PER_PERSONA", 3, at_least=1, at_most=10),
    "RETRY_INITIAL_BACKOFF_SECONDS": float(
        decimal("RETRY_INITIAL_BACKOFF_SECONDS", "1.0", at_least="0.1", at_most="60")
    ),
    "RETRY_BACKOFF_MULTIPLIER": float(decimal("RETRY_BACKOFF_MULTIPLIER", "2.0", at_least="1", at_most="10")),
    "PERSONA_TEMPLATE_VERSION": text("PERSONA_TEMPLATE_VERSION", "1.0.0"),
    "HOLD_WITHIN": decimal("HOLD_WITHIN", "0", at_least="0", at_most="0.5"),
    "EXPAND_MODEL": text("EXPAND_MODEL"),
    "EXPAND_TEMPERATURE": decimal("EXPAND_TEMPERATURE", "0.7", at_least="0", at_most="2"),
    "REVIEW_MODEL": text("REVIEW_MODEL"),
    "REVIEW_TEMPERATURE": decimal("REVIEW_TEMPERATURE", "0.2", at_least="0", at_most="2"),
}
"""Models, retries and temperatures of the consensus engine; models left empty are ORCA_MODEL."""

GATEWAY: dict[str, Any] = {
    "ENCRYPTION_KEYS": tuple(words("GATEWAY_ENCRYPTION_KEYS")),
    "ENCRYPTION_KEY_FILE": text("GATEWAY_ENCRYPTION_KEY_FILE", str(DATA_DIR / "gateway.key") if DEBUG else "") or None,
    "MAKE_KEY_FILE": DEBUG,
    "LARGE_BODY_PROCESS": flag("GATEWAY_LARGE_BODY_PROCESS", default=not DEBUG),
}
"""Keys of the gateway's records: given here, or one a line in a file; with DJANGO_DEBUG the file is made. In production
each process that serves has another one for large bodies beside it."""

if not MODEL:
    raise ImproperlyConfigured(f"ORCA_MODEL is not set, and {PROVIDER} has no default: name a model.")
if BROKER == "redis" and not REDIS_URL:
    raise ImproperlyConfigured("ORCA_BROKER=redis needs REDIS_URL, for example redis://127.0.0.1:6379/0.")
if not DEBUG and not SECRET_KEY:
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY is not set. It is required without DJANGO_DEBUG, and the same in web processes and workers."
    )
if public := [host for host in ALLOWED_HOSTS if not is_local(host)]:
    if DEBUG:
        raise ImproperlyConfigured(
            f"DJANGO_ALLOWED_HOSTS names {', '.join(public)} while DJANGO_DEBUG is on, which shows settings and code to"
            " everybody who provokes an error. Set DJANGO_DEBUG=false, or allow names of this machine only."
        )
if SECRET_KEY == PUBLISHED_KEY and (public or not DEBUG):
    raise ImproperlyConfigured("DJANGO_SECRET_KEY is the published one of the demo: generate your own.")
if CLUSTER_NAME not in ("", QUEUE_NAME) and not (DEDICATED_CLUSTERS and CLUSTER_NAME in ("llm", "persistence")):
    raise ImproperlyConfigured(
        f"Q_CLUSTER_NAME={CLUSTER_NAME!r} is not a cluster of this project: leave it empty, or set"
        " ORCA_DEDICATED_CLUSTERS=true and name llm or persistence."
    )
