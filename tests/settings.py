"""Settings of the tests: the product's, plus a test app, fast passwords, and no way to a paid provider."""

import json
import os

from tests import environment  # noqa: F401 - sets the environment that the next line reads

# isort: split
from config.mailers import mail_settings
from config.settings import *  # noqa: F403 - the product's settings are the base on purpose
from config.settings import DATABASES, GATEWAY, INSTALLED_APPS, ORCHESTRAI, Q_CLUSTER, VAR_DIR

INSTALLED_APPS = [*INSTALLED_APPS, "chaos.app", "tests.seedapp", "tests.engineapp"]
DATABASES = {
    **DATABASES,
    "other": {  # a database beside ours, in which the test app has tables, too; SQLite, whatever ours is
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(VAR_DIR / "other.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "TEST": {"NAME": str(VAR_DIR / "test_other.sqlite3"), "MIGRATE": False, "DEPENDENCIES": []},
    },
}
DATABASE_ROUTERS = ["tests.seedapp.routers.OtherDatabaseRouter"]
SECRET_KEY = "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"
ORCHESTRAI = {**ORCHESTRAI, "ALLOW_PAID_REQUESTS": False, **json.loads(os.environ.get("ORCA_TEST_ENGINE", "{}"))}
ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator", "model": "gpt-4o-mini"}}
if url := os.environ.get("ORCA_TEST_PROVIDER_URL"):  # the simulated provider over HTTP, asked by the real client
    ORCA_CONFIG["CLIENT"] |= {"provider": "openai", "base_url": url}
if clients := os.environ.get("ORCA_TEST_CLIENTS"):  # several of them, with their routes
    ORCA_CONFIG = json.loads(clients)
if folder := os.environ.get("ORCA_TEST_MEDIA"):
    MEDIA_ROOT = folder
GATEWAY = {**GATEWAY, **json.loads(os.environ.get("ORCA_TEST_GATEWAY", "{}"))}
Q_CLUSTER = {**Q_CLUSTER, "testing": True}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
globals().update(mail_settings("django.core.mail.backends.locmem.EmailBackend"))
WHITENOISE_AUTOREFRESH = True  # look a static file up when it is asked for, instead of all of them for each client
