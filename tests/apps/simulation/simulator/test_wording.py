"""Idioms and jargon in plain words."""

from __future__ import annotations

import pytest

from apps.simulation.simulator.phrases import plain
from apps.simulation.simulator.wording import in_plain_words, written_out


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Have you been under the knife?", "operation"),
        ("Any dysuria?", "passing urine"),
        ("Could there be a bun in the oven?", "pregnant"),
        ("Is your ticker going nineteen to the dozen?", "palpitations"),
        ("Are you knackered?", "tired"),
    ],
)
def test_expressions_are_put_in_plain_words(said: str, meant: str) -> None:
    assert meant in in_plain_words(plain(said))


def test_what_is_plain_already_stays_as_it_is() -> None:
    assert in_plain_words("when did it start") == "when did it start"


def test_chat_is_written_out() -> None:
    assert written_out("wat meds r u on?") == "what medicine are you on"
