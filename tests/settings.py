"""Settings of the tests: the product's, plus a test app, fast passwords, and no way to a paid provider."""

from config.settings import *  # noqa: F403 - the product's settings are the base on purpose
from config.settings import INSTALLED_APPS, ORCHESTRAI, Q_CLUSTER

INSTALLED_APPS = [*INSTALLED_APPS, "tests.seedapp"]
ORCHESTRAI = {**ORCHESTRAI, "ALLOW_PAID_REQUESTS": False}
ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator", "model": "gpt-4o-mini"}}
Q_CLUSTER = {**Q_CLUSTER, "testing": True}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
