"""Results that wait, and people who decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from orchestration.components import Approval
from persistence.models.approval import Hold
from persistence.testing import persist
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote


def one_message(handler: Any, response: Any) -> Message:
    return Message.objects.create(role="assistant", content=response.structured_data["text"])


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the service of notes says about approval."""

    def set_approval(**declared: Any) -> None:
        monkeypatch.setattr(GenerateNote, "approval", Approval(**declared))

    return set_approval


@pytest.fixture
def held(declare: Callable[..., None]) -> Callable[..., Hold]:
    """The hold of a result whose handler does this; the options of `declare` under `says`."""

    def hold(conduct: Callable[..., Any] = one_message, *, says: dict[str, Any] | None = None, **fields: Any) -> Hold:
        declare(**{"always": True, **(says or {})})
        record = note(conduct, **fields)
        persist(record)
        return Hold.objects.get(call_id=record.pk)

    return hold


@pytest.fixture
def person() -> Callable[..., Any]:
    """A user with these permissions; without any named, one who may decide."""

    def make(name: str, *permissions: str) -> Any:
        user = get_user_model().objects.create_user(email=f"{name}@example.org", password=None)
        wanted = permissions or ("persistence.view_hold", "persistence.decide_hold", "orchestration.view_content")
        for label in wanted:
            app, _, codename = label.partition(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return get_user_model().objects.get(pk=user.pk)

    return make


@pytest.fixture
def anna(person: Callable[..., Any]) -> Any:
    return person("anna")


@pytest.fixture
def berta(person: Callable[..., Any]) -> Any:
    return person("berta")
