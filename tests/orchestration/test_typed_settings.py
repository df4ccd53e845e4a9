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


renamed = TypedSetting("TYPED", Limits, former_names={"LENGTH": "SIZE"})


@override_settings(TYPED={"LENGTH": 4})
def test_a_key_is_read_under_its_former_name_and_reported() -> None:
    assert renamed().SIZE == 4
    (message,) = renamed.check_names("demo.W001")
    assert (message.id, message.msg) == ("demo.W001", "settings.TYPED has LENGTH, which is called SIZE now.")


@override_settings(TYPED={"LENGTH": 4, "SIZE": 5})
def test_a_key_under_both_names_is_refused() -> None:
    with pytest.raises(NotConfigured, match="has SIZE and LENGTH, its former name: remove LENGTH"):
        renamed()


@pytest.mark.parametrize("value", [None, {}, {"SIZE": 4}])
def test_todays_names_are_not_reported(value: Any) -> None:
    with override_settings(TYPED=value):
        assert renamed.check_names("demo.W001") == []


@pytest.mark.parametrize(
    ("keys", "found"),
    [(lambda key: key.startswith("MY_"), (3, "ours")), (lambda key: not key.startswith("MY_"), (4, "none"))],
)
@override_settings(TYPED={"SIZE": 4, "MY_NAME": "ours"})
def test_packages_share_a_setting_by_its_keys(keys: Callable[[str], bool], found: tuple[int, str]) -> None:
    read = TypedSetting("TYPED", Limits, keys=keys)()
    assert (read.SIZE, read.MY_NAME) == found
