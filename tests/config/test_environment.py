"""The settings under an environment, in a process of their own: right values, or a message that names the variable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
READ = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name, None) for name in sys.argv[1:]}, default=str))
"""
PRODUCTION = {
    "DJANGO_DEBUG": "false",
    "DJANGO_SECRET_KEY": "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz-0123456789",
    "DJANGO_ALLOWED_HOSTS": "example.org",
    "ORCA_PROVIDER_API_KEY": "none",
    "GATEWAY_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
}


def run(script, *arguments, **variables):
    kept = {"PATH": os.environ["PATH"], "ORCA_VAR_DIR": os.environ["ORCA_VAR_DIR"], "PYTHONPATH": str(ROOT)}
    environment = {**kept, "DJANGO_SETTINGS_MODULE": "config.settings", **variables}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments], env=environment, capture_output=True, text=True
    )


def settings_under(*names, **variables):
    done = run(READ, *names, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DJANGO_DEBUG": "false"}, "DJANGO_SECRET_KEY is not set"),
        ({"DJANGO_DEBUG": "maybe"}, "DJANGO_DEBUG='maybe': write true or false"),
        ({"ORCA_BROKER": "redis"}, "ORCA_BROKER=redis needs REDIS_URL"),
        ({"ORCA_BROKER": "rabbit"}, "ORCA_BROKER='rabbit': write one of orm, redis"),
        ({"Q_WORKERS": "many"}, "Q_WORKERS='many': write a whole number, 1 or more"),
        ({"Q_WORKERS": "0"}, "Q_WORKERS='0': write a whole number, 1 or more"),
        ({"Q_CLUSTER_NAME": "llm"}, "Q_CLUSTER_NAME='llm' is not a cluster of this project"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is not a database URL"),
        ({"DATABASE_URL": "postgres://u:hidden@h:12x/d"}, "DATABASE_URL is not a database URL"),
        ({"DATABASE_URL": "mysql://u:hidden@h/d"}, "DATABASE_URL names no SQLite file and no PostgreSQL"),
        ({"ORCA_PROVIDER": "other"}, "ORCA_PROVIDER='other': write one of openai, simulator"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL='loud': write one of"),
    ],
)
def test_a_variable_that_cannot_be_used_stops_the_start_and_is_named(variables, message):
    done = run(READ, "DEBUG", **variables)
    assert done.returncode != 0
    assert message in done.stderr
    assert "hidden" not in done.stderr.rpartition("ImproperlyConfigured")[2]


def test_an_empty_variable_counts_as_not_set():
    assert settings_under("DEBUG", DJANGO_DEBUG="", DATABASE_URL="", Q_WORKERS="") == {"DEBUG": True}


def test_embedded_is_the_default():
    found = settings_under("DATABASES", "Q_CLUSTER", "ORCA_CONFIG", "DEBUG")
    assert found["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert found["Q_CLUSTER"]["broker_class"] == "config.brokers.OrmBroker"
    assert found["ORCA_CONFIG"]["CLIENT"]["provider"] == "simulator"


def test_production_is_guarded():
    found = settings_under(
        "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", **PRODUCTION
    )
    assert found == {
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
    }


def test_production_passes_djangos_deployment_checks():
    script = "from django.core.management import execute_from_command_line as run; run(['x', 'check', '--deploy'])"
    done = run(script, **PRODUCTION)
    assert "no issues" in done.stdout, done.stderr


def test_a_pool_replaces_kept_connections():
    url = "postgres://u@h/d?sslmode=require"
    plain = settings_under("DATABASES", DATABASE_URL=url)["DATABASES"]["default"]
    pooled = settings_under("DATABASES", DATABASE_URL=url, DATABASE_POOL="true")["DATABASES"]["default"]
    assert (plain["CONN_MAX_AGE"], "pool" in plain.get("OPTIONS", {})) == (600, False)
    assert (pooled["CONN_MAX_AGE"], "pool" in pooled["OPTIONS"]) == (0, True)
    assert pooled["OPTIONS"]["sslmode"] == "require"


def test_behind_a_pooler_nothing_is_kept_on_a_connection():
    url = "postgres://u@h/d?sslmode=require"
    plain = settings_under("DATABASES", DATABASE_URL=url)["DATABASES"]["default"]
    behind = settings_under("DATABASES", DATABASE_URL=url, DATABASE_BEHIND_POOLER="true")["DATABASES"]["default"]
    assert plain["OPTIONS"] == {"sslmode": "require", "prepare_threshold": 1}
    assert plain["DISABLE_SERVER_SIDE_CURSORS"] is False
    assert behind["OPTIONS"] == {"sslmode": "require", "prepare_threshold": None}
    assert behind["DISABLE_SERVER_SIDE_CURSORS"] is True


def test_redis_is_broker_and_cache_when_asked():
    found = settings_under("Q_CLUSTER", "CACHES", ORCA_BROKER="redis", REDIS_URL="redis://127.0.0.1:6379/0")
    assert found["Q_CLUSTER"]["broker_class"] == "config.brokers.RedisBroker"
    assert found["CACHES"]["default"]["BACKEND"].endswith("RedisCache")


def test_dedicated_clusters_get_their_work_when_asked():
    found = settings_under("Q_CLUSTER", "ORCHESTRAI", ORCA_DEDICATED_CLUSTERS="true", Q_CLUSTER_NAME="llm")
    assert set(found["Q_CLUSTER"]["ALT_CLUSTERS"]) == {"llm", "persistence"}
    assert found["ORCHESTRAI"]["QUEUE"] == "llm"
    assert found["ORCHESTRAI"]["DOMAIN_PERSIST_QUEUE"] == "persistence"


def test_a_key_switches_to_the_real_provider_and_is_not_in_the_settings():
    found = settings_under("ORCA_CONFIG", ORCA_PROVIDER_API_KEY="very-secret")
    assert found["ORCA_CONFIG"]["CLIENT"]["provider"] == "openai"
    assert "very-secret" not in json.dumps(found)
