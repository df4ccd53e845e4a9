"""Counting sentences: abbreviations, initials, numbers and list markers end nothing."""

from __future__ import annotations

import pytest

from apps.consensus.api.sentences import count_sentences


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
        ("We need: 1. a calendar 2. a list 3. a bell", 1),
        ("We need 1. a calendar 2. a list", 1),
        ("Plan. 1. Book. 2. Eat.", 3),
        ("Steps: (1) one; (2) two.", 1),
        ("There is only 1. Then more.", 2),
        ("It costs 5. Then it ends.", 2),
        ("1. Book. 2. Eat. 3. Sleep.", 3),
        ("1.) Book. 2.) Eat.", 2),
        ("1. Book\n2. Eat. 3. Sleep.", 2),
        ("\u06f1. سلام. \u06f2. خوب.", 2),
        ("\uff11\uff0e計画。\uff12\uff0e実行。", 2),
        ("手順\uff1a\uff11\uff0e計画。\uff12\uff0e実行。", 2),
        ("No. It is art. It hangs well.", 3),
        ("See no. 5 and art. III of it.", 1),
        ("1.1. Rooms\n1.2. Bells", 1),
        ("- 1. Rooms\n- 2. Bells", 1),
        ("- [ ] a. Rooms\n- [x] b. Bells", 1),
        ("xviii. Rooms\nxix. Bells", 1),
        ("> 1. Rooms\n> 2. Bells", 1),
        ("\uff11\uff0e東京\n\uff12\uff0e大阪", 1),
        ("これはペンです\uff0e次です\uff0e", 2),
        ("\uff13\uff0e\uff15倍です。", 1),
        ("Что\uff1f Да\uff01", 2),
        ("真的\uff1f\uff01好。", 2),
        ("そう…。次です\uff61", 2),
        ("هل هذا سؤال\u061f نعم.", 2),
        ("یہ ایک ہے\u06d4 یہ دو ہے\u06d4", 2),
        ("यह वाक्य है। दूसरा भी है॥", 2),
        ("Այո\u0589 Ոչ\u0589", 2),
        ("ሰላም።ደህና።", 2),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert count_sentences(text) == count
