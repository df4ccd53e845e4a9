"""The settings under an environment, in a process of their own: right values, or a message that names the variable."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config.env import PUBLISHED_KEY

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
    "EMAIL_URL": "smtp+tls://mail.example.org:587",
    "DEFAULT_FROM_EMAIL": "orca@example.org",
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
        ({"DATABASE_URL": "mysql://u:hidden@h/d"}, "DATABASE_URL does not name an SQLite file or a PostgreSQL"),
        ({"ORCA_PROVIDER": "other"}, "ORCA_PROVIDER='other': write one of openai, azure, anthropic, gemini"),
        ({"ORCA_PROVIDER": "anthropic"}, "ORCA_MODEL is not set, and anthropic has no default"),
        ({"ORCA_PROVIDER_OPTIONS": "[1]"}, "ORCA_PROVIDER_OPTIONS is not a JSON object"),
        (
            {"DJANGO_ALLOWED_HOSTS": "localhost,example.org"},
            "DJANGO_ALLOWED_HOSTS names example.org while DJANGO_DEBUG",
        ),
        ({"DJANGO_ALLOWED_HOSTS": "*", "DJANGO_SECRET_KEY": "own"}, "DJANGO_ALLOWED_HOSTS names * while DJANGO_DEBUG"),
        ({**PRODUCTION, "DJANGO_SECRET_KEY": PUBLISHED_KEY}, "DJANGO_SECRET_KEY is the published one"),
        ({**PRODUCTION, "DJANGO_SECRET_KEY": ""}, "DJANGO_SECRET_KEY is not set"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL='loud': write one of"),
        ({"EMAIL_URL": "smpt://u:hidden@h"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "mail.example.org"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp://u:hidden@h:12x"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp+tls://"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp://:25"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp://user:12/hidden@h:25"}, "In user and password write %2F for /"),
        ({"EMAIL_URL": "smtp://user:12?hidden@h:25"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp://user:12#hidden@h:25"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp://h?tiemout=hidden"}, "EMAIL_URL is not the URL of a mail server"),
        ({"EMAIL_URL": "smtp://h?timeout=hidden"}, "EMAIL_URL is not the URL of a mail server"),
        ({"ORCA_STORAGE_URL": "s3://bucket?endpoint=hidden:9000"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_STORAGE_URL": "s3://Bucket_1"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_STORAGE_URL": "s3://bucket/prefix#hidden"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_STORAGE_URL": "gs://bucket"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_STORAGE_URL": "s3://"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_STORAGE_URL": "s3://key:hidden@bucket"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_STORAGE_URL": "s3://bucket?endpont=x"}, "ORCA_STORAGE_URL is not a storage"),
        ({"ORCA_INSTALLATION": "Two Words"}, "ORCA_INSTALLATION='Two Words': write up to 32"),
        ({"ORCA_INSTALLATION": "blue", "Q_CLUSTER_NAME": "orchestrai"}, "Q_CLUSTER_NAME='orchestrai' is not"),
    ],
)
@pytest.mark.sampled(3)
def test_a_bad_variable_stops_the_start_and_is_named(variables, message):
    done = run(READ, "DEBUG", **variables)
    assert done.returncode != 0
    assert message in done.stderr
    assert "hidden" not in done.stderr.rpartition("ImproperlyConfigured")[2]


def test_an_empty_variable_counts_as_not_set():
    assert settings_under("DEBUG", DJANGO_DEBUG="", DATABASE_URL="", Q_WORKERS="") == {"DEBUG": True}


def test_local_hosts_start_with_debug_and_the_published_key():
    hosts = "localhost,127.0.0.1,[::1],app.localhost"
    assert settings_under("ALLOWED_HOSTS", DJANGO_ALLOWED_HOSTS=hosts)["ALLOWED_HOSTS"] == hosts.split(",")


@pytest.mark.parametrize("wanted", [True, False])
def test_hsts_binds_other_names_only_when_asked(wanted):
    asked = {"DJANGO_HSTS_SUBDOMAINS": "true", "DJANGO_HSTS_PRELOAD": "true"} if wanted else {}
    names = ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
    assert settings_under(*names, **PRODUCTION, **asked) == dict.fromkeys(names, wanted)


def test_embedded_is_the_default():
    found = settings_under("DATABASES", "Q_CLUSTER", "ORCA_CONFIG", "DEBUG")
    assert found["DATABASES"]["default"]["ENGINE"] == "orchestration.backends.sqlite3"
    assert found["Q_CLUSTER"]["broker_class"] == "orchestration.django_q.brokers.OrmBroker"
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
    assert found["Q_CLUSTER"]["broker_class"] == "orchestration.django_q.redis_broker.RedisBroker"
    assert found["CACHES"]["default"]["BACKEND"].endswith("RedisCache")


def test_dedicated_clusters_get_their_work_when_asked():
    found = settings_under("Q_CLUSTER", "ORCHESTRAI", ORCA_DEDICATED_CLUSTERS="true", Q_CLUSTER_NAME="llm")
    assert set(found["Q_CLUSTER"]["ALT_CLUSTERS"]) == {"llm", "persistence"}
    assert found["ORCHESTRAI"]["QUEUE"] == "llm"
    assert found["ORCHESTRAI"]["DOMAIN_PERSIST_QUEUE"] == "persistence"


def test_a_key_selects_the_real_provider():
    """The key itself is not in the settings."""
    found = settings_under("ORCA_CONFIG", ORCA_PROVIDER_API_KEY="very-secret")
    assert found["ORCA_CONFIG"]["CLIENT"]["provider"] == "openai"
    assert "very-secret" not in json.dumps(found)


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({"OPENAI_API_KEY": "k"}, None),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "OPENAI_API_KEY"),
        ({"ORCA_PROVIDER_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "ORCA_PROVIDER_API_KEY"),
        (
            {"ORCA_PROVIDER_API_KEY": "k", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"},
            "ORCA_PROVIDER_API_KEY",
        ),
    ],
)
def test_openais_key_is_for_the_server_that_is_named_beside_it(variables, variable):
    client = settings_under("ORCA_CONFIG", **variables)["ORCA_CONFIG"]["CLIENT"]
    assert (client["provider"], client["api_key_envvar"]) == ("openai", variable)
    assert client["base_url"] == variables.get("OPENAI_BASE_URL")


READ_MAIL = """
import json, sys
from django.conf import settings
from django.core import mail
made = mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()
print(json.dumps({"class": type(made).__module__, **{name: getattr(made, name, None) for name in sys.argv[1:]}}))
"""


def mailer_under(*names, **variables):
    """The class that sends mail, and what it was told."""
    done = run(READ_MAIL, *names, **variables)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout).values())


def test_mail_goes_where_email_url_says():
    url = "smtp+tls://us%40er:p@mail.example.org:587"
    smtp, names = "django.core.mail.backends.smtp", ("host", "port", "username", "use_tls", "use_ssl", "timeout")
    assert mailer_under(*names, EMAIL_URL=url) == [smtp, "mail.example.org", 587, "us@er", True, False, 20]
    assert mailer_under("host", "port", "timeout", EMAIL_URL="smtp://h?timeout=5") == [smtp, "h", 25, 5]
    odd = "smtp+ssl://u:a%2Fb%23c%3Fd%40e%25f+g:h@mail.example.org:465"
    assert mailer_under("password", "use_tls", "use_ssl", EMAIL_URL=odd) == [smtp, "a/b#c?d@e%f+g:h", False, True]
    assert mailer_under() == ["django.core.mail.backends.console"]
    assert mailer_under("host", **PRODUCTION) == [smtp, "mail.example.org"]
    sender = "Orca <orca@example.org>"
    assert settings_under("DEFAULT_FROM_EMAIL", DEFAULT_FROM_EMAIL=sender) == {"DEFAULT_FROM_EMAIL": sender}


def test_folders_are_parted_and_default_below_one(tmp_path):
    names = ("STATIC_ROOT", "MEDIA_ROOT")
    old = settings_under(*names, "ORCHESTRAI", ORCA_VAR_DIR=str(tmp_path))
    assert [old[name] for name in names] == [f"{tmp_path}/static", f"{tmp_path}/media"]
    assert old["ORCHESTRAI"]["RUN_DIR"] == f"{tmp_path}/run"
    parted = {f"ORCA_{name}_DIR": str(tmp_path / name) for name in ("STATIC", "DATA", "RUN")}
    new = settings_under(*names, "ORCHESTRAI", "DATABASES", "GATEWAY", "CACHES", **parted)
    assert [new[name] for name in names] == [f"{tmp_path}/STATIC", f"{tmp_path}/DATA/media"]
    assert new["ORCHESTRAI"]["RUN_DIR"] == f"{tmp_path}/RUN"
    assert new["DATABASES"]["default"]["NAME"] == f"{tmp_path}/DATA/db.sqlite3"
    assert new["GATEWAY"]["ENCRYPTION_KEY_FILE"] == f"{tmp_path}/DATA/gateway.key"
    assert new["CACHES"]["default"]["LOCATION"] == f"{tmp_path}/RUN/cache"


def test_files_are_kept_where_the_storage_url_says():
    url = "s3://bucket/some/prefix?endpoint=https://minio.example.org&region=eu-1"
    if find_spec("storages") is None:
        done = run(READ, "STORAGES", ORCA_STORAGE_URL=url)
        assert "ORCA_STORAGE_URL needs django-storages: install orchestrai[s3]" in done.stderr
        return
    default = settings_under("STORAGES", ORCA_STORAGE_URL=url)["STORAGES"]["default"]
    assert default["BACKEND"] == "storages.backends.s3.S3Storage"
    assert (default["OPTIONS"]["bucket_name"], default["OPTIONS"]["location"]) == ("bucket", "some/prefix")
    assert default["OPTIONS"]["endpoint_url"] == "https://minio.example.org"


def test_an_installation_is_part_of_the_names_in_redis():
    shared = {"REDIS_URL": "redis://127.0.0.1:6379/9", "ORCA_BROKER": "redis"}
    live = settings_under("Q_CLUSTER", "CACHES", **shared, ORCA_INSTALLATION="live")
    copy = settings_under("Q_CLUSTER", "CACHES", **shared, ORCA_INSTALLATION="copy")
    assert (live["Q_CLUSTER"]["name"], copy["Q_CLUSTER"]["name"]) == ("orchestrai-live", "orchestrai-copy")
    assert (live["CACHES"]["default"]["KEY_PREFIX"], copy["CACHES"]["default"]["KEY_PREFIX"]) == ("live", "copy")
    assert settings_under("Q_CLUSTER")["Q_CLUSTER"]["name"] == "orchestrai"
