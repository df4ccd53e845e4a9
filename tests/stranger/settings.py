"""In Django's own theme. STRANGER_FOLDER holds its files, DATABASE_URL names its database."""

import os
from pathlib import Path

import environ

from orchestration.django_q.defaults import q_cluster

FOLDER = Path(os.environ["STRANGER_FOLDER"])
HERE = Path(__file__).parent
SECRET_KEY = "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"
DEBUG = True
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "tests.stranger.apps.OfficeAdmin",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "orchestration",
    "persistence",
    "django_q",
    "tests.stranger.apps.StrangerConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.stranger.urls"
WSGI_APPLICATION = "tests.stranger.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [  # the two that the admin asks for, and not that of the request
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
DATABASES["default"]["ENGINE"] = DATABASES["default"]["ENGINE"].replace("django.db", "orchestration")
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": FOLDER / "cache",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.SmallAutoField"
AUTH_USER_MODEL = "stranger.Person"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LANGUAGE_CODE = "de"
TIME_ZONE = "Asia/Kolkata"
USE_THOUSAND_SEPARATOR = True
STATIC_URL = "files/"
MEDIA_ROOT = FOLDER / "media"
Q_CLUSTER = q_cluster("stranger")
ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator"}}
ORCHESTRAI = {"RUN_DIR": FOLDER / "run", "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
