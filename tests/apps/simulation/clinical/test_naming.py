"""An illness is named by any of its names; another one that shares a word is not."""

from __future__ import annotations

import pytest

from apps.simulation.clinical.naming import known_names, named, points_made


def test_a_diagnosis_has_the_names_that_everybody_knows() -> None:
    names = known_names("acute appendicitis", ["McBurney disease"])
    assert {"acute appendicitis", "McBurney disease", "inflamed appendix"} <= set(names)
    assert "heart attack" in known_names("inferior myocardial infarction")
    assert known_names("") == []


@pytest.mark.parametrize(
    ("said", "is_named"),
    [
        ("You have had a stroke.", True),
        ("This is a cerebrovascular accident", True),
        ("I am afraid it's a CVA.", True),
        ("It could be a stroke, what do you think?", True),
        ("Have you ever had a stroke?", False),
        ("No stroke, I am sure.", False),
        ("Your mother had a stroke.", False),
        ("This is a heat stroke.", False),
        ("It is a seizure.", False),
    ],
)
def test_a_sentence_names_it_or_does_not(said: str, is_named: bool) -> None:
    assert (named(["Hello.", said], known_names("stroke")) == 1) is is_named


def test_points_of_a_plan_are_made_in_other_words() -> None:
    points = ["Operation: call the surgeons", "Nil by mouth", "Painkillers", "Antibiotics before the operation"]
    said = ["We take you to theatre today.", "Please do not eat or drink. You get some morphine."]
    assert points_made(said, points) == [0, 1, 1, None]
