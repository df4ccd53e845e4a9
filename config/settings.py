"""Settings: embedded by default (SQLite, ORM broker, simulated provider), everything else by environment."""

from __future__ import annotations

from typing import Any

from config import env
from config.theme import UNFOLD as UNFOLD
from orchestration.django_q.defaults import q_cluster

BASE_DIR = env.BASE_DIR
VAR_DIR = env.VAR_DIR
STATIC_ROOT = env.STATIC_DIR
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

DEBUG = env.DEBUG
SECRET_KEY = env.SECRET_KEY or env.PUBLISHED_KEY
INSIDE_PAGES_OPEN = DEBUG
INSIDE_TOKEN = env.INSIDE_TOKEN
ALLOWED_HOSTS = env.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.CSRF_TRUSTED_ORIGINS

SILENCED_SYSTEM_CHECKS = ["mail.E001"]  # of Django 6.1: mail that is not sent, which is config.W201
if not DEBUG:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.SSL_REDIRECT
    SECURE_REDIRECT_EXEMPT = [r"(^|/)(healthz|readyz|metrics)$"]  # asked by machines, inside the network
    SECURE_HSTS_SECONDS = env.HSTS_SECONDS
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.HSTS_SUBDOMAINS
    SECURE_HSTS_PRELOAD = env.HSTS_PRELOAD
    SILENCED_SYSTEM_CHECKS += ["security.W005", "security.W021"]  # that HSTS binds no other names of the domain
STORAGES = {
    "default": env.STORAGE,
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
BEHIND_PROXY = env.BEHIND_PROXY
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the site is ours: apps/console/site.py
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "apps.console.apps.AdminConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "import_export",
    "ninja",
    "orchestration",  # before django_q: its `qcluster` command supervises django-q's
    "persistence",
    "apps.accounts",
    "apps.shell",
    "apps.simulation",
    "apps.chatlab",
    "apps.trainerlab",
    "apps.training",
    "apps.consensus",
    "apps.gateway",
    "django_q",
    "config",
    "apps.console.apps.ConsoleConfig",
    "apps.devtools",
]

MIDDLEWARE = [
    "config.http.compression.compressed_pages",  # outermost: the next one reads pages
    "config.http.middleware.request_identity",
    "config.http.content_security.page_policy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "config.http.reader_zone.reader_zone",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "orchestration.providers.simulated_answers.context",
            ],
        },
    },
]

# --- database --------------------------------------------------------------------------------

_database: dict[str, Any] = env.DATABASE
_database["ENGINE"] = _database["ENGINE"].replace("django.db", "orchestration")  # reads what Python cannot hold
if _database["ENGINE"].endswith("sqlite3"):
    _database |= {
        # A deferred transaction that starts reading and then writes fails with "locked" under any load.
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        "TEST": {"NAME": str(env.DATA_DIR / "test.sqlite3")},  # a file: worker threads and processes must see it
    }
else:
    _database["DISABLE_SERVER_SIDE_CURSORS"] = env.DATABASE_BEHIND_POOLER
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        # For the few statements that ask for it (orchestration.models.prepared_sql); the ORM's are never prepared.
        "prepare_threshold": None if env.DATABASE_BEHIND_POOLER else 1,
        **({"pool": {"min_size": 2, "max_size": 20}} if env.DATABASE_POOL else {}),
    }
_database |= {"CONN_MAX_AGE": 0 if env.DATABASE_POOL else 600, "CONN_HEALTH_CHECKS": True}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- broker and workers ----------------------------------------------------------------------

if env.REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": env.REDIS_URL,
            "KEY_PREFIX": env.INSTALLATION,
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(VAR_DIR / "cache" if env.RUN_DIR.parent == VAR_DIR else env.RUN_DIR / "cache"),
        }
    }

Q_CLUSTER = q_cluster(env.QUEUE_NAME, workers=env.WORKERS, redis_url=env.REDIS_URL if env.BROKER == "redis" else "")

ORCA_TASKS = [*(f"{app}.tasks" for app in INSTALLED_APPS if app.startswith("apps.")), *env.TASKS]
"""What workers may run besides the tasks of orchestration and persistence: functions, or modules, whose public
functions all may; see orchestration/django_q/allowed_tasks.py."""

if env.DEDICATED_CLUSTERS:
    Q_CLUSTER["ALT_CLUSTERS"] = {"llm": {}, "persistence": {}}  # the common options; Q_WORKERS sizes each node

# --- OrchestrAI ------------------------------------------------------------------------------

ORCA_ENTRYPOINT = "config.orca:get_orca"
ORCA_AUTOSTART = True
ORCA_CONFIG: dict[str, Any] = {
    "MODE": "single",
    "CLIENT": {
        "provider": env.PROVIDER,
        "surface": env.SURFACE,
        "api_key_envvar": env.PROVIDER_KEY_VARIABLE,
        "model": env.MODEL,
        "base_url": env.PROVIDER_BASE_URL,
        "token": env.PROVIDER_TOKEN,
        "options": env.PROVIDER_OPTIONS,
    },
}
ORCHESTRAI: dict[str, Any] = {
    "CONCURRENCY": env.CONCURRENCY,
    "RUN_DIR": env.RUN_DIR,
    "QUEUE": "llm" if env.DEDICATED_CLUSTERS else None,
    "SIMULATOR_PACE_MS": env.SIMULATOR_PACE_MS,
    "SIMULATOR_RESPONDERS": [
        "apps.consensus.simulator.reviews:reviewers",
        "apps.simulation.simulator.patient:patient",
        "apps.simulation.simulator.examiner:examiner",
        "apps.simulation.simulator.records:records",
    ],
    "DOMAIN_PERSIST_QUEUE": "persistence" if env.DEDICATED_CLUSTERS else None,
    "DOMAIN_PERSIST_MAX_ATTEMPTS": 10,
    "DOMAIN_PERSIST_BATCH_SIZE": 500,
}

CONSENSUS: dict[str, Any] = env.CONSENSUS
GATEWAY: dict[str, Any] = env.GATEWAY

# --- people, language, files -----------------------------------------------------------------

INSTALLATION = env.INSTALLATION
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.DEFAULT_FROM_EMAIL
EMAIL_GIVEN = env.EMAIL_GIVEN
globals().update(env.EMAIL)  # MAILERS, or EMAIL_BACKEND and the others: config/mailers.py
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign_in"  # the admin has its own
LOGIN_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
WRITES_PER_MINUTE = env.WRITES_PER_MINUTE
ASKING_PER_MINUTE = env.ASKING_PER_MINUTE
CALLS_PER_MINUTE = env.CALLS_PER_MINUTE
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = env.DATA_DIR / "media"
WHITENOISE_USE_FINDERS = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
FILE_UPLOAD_HANDLERS = [
    "config.http.upload_limits.BoundedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.http.error_pages.csrf_failure"
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "bare": {"format": "{message}", "style": "{"},
    },
    "filters": {
        "without_results": {"()": "config.log_filters.WithoutResults"},
        "without_personal_data": {"()": "apps.gateway.masking.MaskPersonalData"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_personal_data"]},
        "bare": {"class": "logging.StreamHandler", "formatter": "bare", "filters": ["without_personal_data"]},
    },
    "root": {"handlers": ["stderr"], "level": env.LOG_LEVEL},
    "loggers": {
        "django-q": {"level": "WARNING", "filters": ["without_results"]},  # its INFO is a line per task
        "apps.consensus.lifecycle": {"level": "INFO", "handlers": ["bare"], "propagate": False},  # JSON lines
        "httpx2": {"level": "WARNING"},  # its INFO is a line for every request to a provider
    },
}
