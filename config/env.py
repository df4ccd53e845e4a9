"""The one place that reads the environment. A value that cannot be read stops the start and names its variable."""

from __future__ import annotations

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

DEBUG: bool = env.bool("DJANGO_DEBUG", default=True)
SECRET_KEY: str = env.str("DJANGO_SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = env.list("DJANGO_ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])
VAR_DIR: Path = Path(env.str("ORCA_VAR_DIR", default=str(BASE_DIR / "var")))
DATABASE_URL: str = env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
DATABASE_POOL: bool = env.bool("DATABASE_POOL", default=False)
"""True in ASGI web processes on PostgreSQL, never in workers: a pool does not survive their fork."""
REDIS_URL: str = env.str("REDIS_URL", default="")
BROKER: str = env.str("ORCA_BROKER", default="orm")
WORKERS: int = env.int("Q_WORKERS", default=3)
LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO")

PROVIDER_KEY_GIVEN: bool = bool(env.str("ORCA_PROVIDER_API_KEY", default="") or env.str("OPENAI_API_KEY", default=""))
PROVIDER: str = env.str("ORCA_PROVIDER", default="openai" if PROVIDER_KEY_GIVEN else "simulator")
PROVIDER_BASE_URL: str | None = env.str("OPENAI_BASE_URL", default="") or None
MODEL: str = env.str("ORCA_MODEL", default="gpt-4o-mini")
SURFACE: str = env.str("ORCA_SURFACE", default="responses")
CONCURRENCY: int = env.int("ORCA_CONCURRENCY", default=64)
