"""Counting sentences: abbreviations, initials, numbers and list markers end nothing."""

from __future__ import annotations

import pytest

from apps.consensus.text import count_sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One sentence", 1),
        ("One sentence.", 1),
        ("One. Two! Three?", 3),
        ("One... and it goes on.", 1),
        ("One… Two.", 2),
        ("Really?! Yes.", 2),
        ("Fruit, e.g. apples, i.e. food.", 1),
        ("Ask Dr. Smith and Mrs. Jones.", 1),
        ("Apples, pears etc. are fruit.", 1),
        ("Apples, pears etc. Then bread.", 2),
        ("Made in the U.S. by J. R. Hartley.", 1),
        ("Version 3.5 costs 2.50 euros.", 1),
        ("1. First thing\n2. Second thing\n3. Third thing", 1),
        ("a) First thing.\nb) Second thing.", 2),
        ("- First.\n- Second.\n* Third.", 3),
        ('He said "Stop." Then he left.', 2),
        ("See example.com for more.", 1),
        ("", 0),
        ("... !!! ?", 0),
        ("日本語です。二つ目です。", 2),
        ("One.\n\nTwo.", 2),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert count_sentences(text) == count
