"""A Django setting as a pydantic model: validated once, followed when a test overrides it, reported by a check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from pydantic import BaseModel, ConfigDict

from orchestration.errors import NotConfigured
from orchestration.typed_settings import TypedSetting


class Limits(BaseModel):
    model_config = ConfigDict(extra="forbid")

    SIZE: int = 3
    MY_NAME: str = "none"


limits = TypedSetting("TYPED", Limits)


@pytest.mark.parametrize("value", [None, {}])
def test_without_a_value_the_defaults_hold(value: Any) -> None:
    with override_settings(TYPED=value):
        assert limits().SIZE == 3


def test_an_override_is_followed_and_then_gone() -> None:
    with override_settings(TYPED={"SIZE": 4}):
        assert limits().SIZE == 4
    assert limits().SIZE == 3


def test_it_is_validated_once() -> None:
    assert limits() is limits()


@override_settings(TYPED={"SIZE": "sk-secret"})
def test_an_error_names_the_key_and_no_value() -> None:
    for _ in range(2):
        with pytest.raises(NotConfigured, match=r"settings\.TYPED: SIZE: ") as caught:
            limits()
        assert "sk-secret" not in str(caught.value)


def test_a_check_reports_a_wrong_setting_with_a_hint() -> None:
    assert limits.check("demo.E001") == []
    with override_settings(TYPED={"SISE": 4}):
        (message,) = limits.check("demo.E001")
    assert (message.id, message.hint) == ("demo.E001", "The keys are SIZE, MY_NAME.")
    assert "SISE" in message.msg


def test_a_required_setting_must_be_there() -> None:
    with pytest.raises(NotConfigured, match=r"settings\.TYPED is missing"):
        TypedSetting("TYPED", Limits, required=True)()


@pytest.mark.parametrize(
    ("keys", "found"),
    [(lambda key: key.startswith("MY_"), (3, "ours")), (lambda key: not key.startswith("MY_"), (4, "none"))],
)
@override_settings(TYPED={"SIZE": 4, "MY_NAME": "ours"})
def test_packages_share_a_setting_by_its_keys(keys: Callable[[str], bool], found: tuple[int, str]) -> None:
    read = TypedSetting("TYPED", Limits, keys=keys)()
    assert (read.SIZE, read.MY_NAME) == found
