"""The history registry: merged by time, and honest about gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.chatlab.models import MessageRole, store_message
from apps.simulation.history import (
    HistoryEntry,
    collect_history,
    register_history_provider,
    unregister_history_provider,
)
from apps.simulation.models import Simulation
from tests.apps.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def simulation() -> Simulation:
    simulation = Simulation.objects.create(user=person(), sim_patient_full_name="Maria Alvarez")
    store_message(simulation, role=MessageRole.USER, sender=simulation.user, content="Hello?")
    store_message(simulation, role=MessageRole.ASSISTANT, content="Hi.")
    store_message(simulation, role=MessageRole.USER, content="never mind", is_deleted=True)
    return simulation


@pytest.fixture
def registered() -> Iterator[list[str]]:
    names: list[str] = []
    yield names
    for name in names:
        unregister_history_provider(name)


def entry(source: str, timestamp: datetime) -> HistoryEntry:
    return {"source": source, "timestamp": timestamp, "role": "system", "sender": source, "content": "ward round"}


def test_the_chat_is_part_of_the_history(simulation: Simulation) -> None:
    history = collect_history(simulation)
    assert [(item["sender"], item["content"]) for item in history.entries] == [
        (simulation.user.email, "Hello?"),
        ("Maria Alvarez", "Hi."),
    ]
    assert history.failed == []


def test_providers_are_merged_by_time(simulation: Simulation, registered: list[str]) -> None:
    registered.append("ward")
    early, late = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)
    register_history_provider("ward", lambda _: [entry("ward", late), entry("ward", early)])

    assert [item["source"] for item in collect_history(simulation).entries] == ["ward", "chatlab", "chatlab", "ward"]


def test_a_failing_provider_is_named_and_hides_nobody(simulation: Simulation, registered: list[str]) -> None:
    def broken(_: Simulation) -> list[HistoryEntry]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        return []

    registered.append("broken")
    register_history_provider("broken", broken)
    history = collect_history(simulation)

    assert history.failed == ["broken"]
    assert len(history.entries) == 2
    assert Simulation.objects.exists()  # the transaction survived


def test_a_name_belongs_to_one_provider(registered: list[str]) -> None:
    registered.append("ward")
    register_history_provider("ward", list)
    register_history_provider("ward", list)
    with pytest.raises(ValueError, match="already a history provider 'ward'"):
        register_history_provider("ward", tuple)
