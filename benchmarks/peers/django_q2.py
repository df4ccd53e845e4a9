"""django-q2 on its ORM broker: 16 worker processes that ask one at a time, the `openai` client."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import django
import openai

from benchmarks.peers.asking import read, request
from benchmarks.peers.surroundings import PROVIDER_URL

SETTINGS = "benchmarks.peers.django_q2_settings"
os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
django.setup()

from django.core.management import call_command
from django.db import transaction
from django_q.models import Success
from django_q.tasks import async_task

WORKERS = [["-m", "django", "qcluster", "--settings", SETTINGS]]


@lru_cache(maxsize=1)
def client() -> openai.OpenAI:
    return openai.OpenAI(base_url=PROVIDER_URL, api_key="none", max_retries=0)


def ask(number: int) -> dict[str, Any]:
    return read(client().responses.create(**request(number)).output_text)


def prepare() -> None:
    call_command("migrate", verbosity=0)


def submit(numbers: Iterable[int]) -> None:
    with transaction.atomic():
        for number in numbers:
            async_task("benchmarks.peers.django_q2.ask", number)


def finished() -> int:
    return int(Success.objects.count())
