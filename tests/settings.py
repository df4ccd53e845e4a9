"""Settings of the tests: the product's, plus a test app, fast passwords, and no way to a paid provider."""

import json
import os

from tests import environment  # noqa: F401 - sets the environment that the next line reads

# isort: split
from config.settings import *  # noqa: F403 - the product's settings are the base on purpose
from config.settings import GATEWAY, INSTALLED_APPS, ORCHESTRAI, Q_CLUSTER

INSTALLED_APPS = [*INSTALLED_APPS, "chaos.app", "tests.seedapp", "tests.engineapp"]
SECRET_KEY = "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"
ORCHESTRAI = {**ORCHESTRAI, "ALLOW_PAID_REQUESTS": False, **json.loads(os.environ.get("ORCA_TEST_ENGINE", "{}"))}
ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator", "model": "gpt-4o-mini"}}
if url := os.environ.get("ORCA_TEST_PROVIDER_URL"):  # the simulated provider over HTTP, asked by the real client
    ORCA_CONFIG["CLIENT"] |= {"provider": "openai", "base_url": url}
GATEWAY = {**GATEWAY, **json.loads(os.environ.get("ORCA_TEST_GATEWAY", "{}"))}
Q_CLUSTER = {**Q_CLUSTER, "testing": True}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
WHITENOISE_AUTOREFRESH = True  # look a static file up when it is asked for, instead of all of them for each client
