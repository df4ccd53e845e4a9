"""Django with nothing but django-q2 on its ORM broker."""

from urllib.parse import urlsplit

from benchmarks.peers.surroundings import DATABASE_URL

parts = urlsplit(DATABASE_URL)
SECRET_KEY = "none"  # noqa: S105 - nothing here is signed for anybody else
INSTALLED_APPS = ["django.contrib.contenttypes", "django_q"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname,
        "PORT": parts.port or 5432,
        "CONN_MAX_AGE": 600,
    }
}
Q_CLUSTER = {
    "name": "peers",
    "orm": "default",
    "workers": 16,
    "timeout": 60,
    "retry": 120,
    "save_limit": 0,
    "bulk": 16,
    "queue_limit": 64,
    "ack_failures": True,
    "poll": 0.2,
}
