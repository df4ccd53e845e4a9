"""Which columns with text an erasure leaves is declared, and shown to whoever erases."""

from __future__ import annotations

import pytest

from persistence.maintenance.kept import keep, undeclared
from persistence.models import PersistedObject
from persistence.models.outbox import DrainWake
from tests.seedapp.models import Attachment, Message


def test_a_column_of_which_nobody_said_anything_is_found() -> None:
    assert undeclared([Message, DrainWake, PersistedObject]) == [
        "seedapp.Message.content",
        "seedapp.Message.meta",
        "seedapp.Message.role",
        "seedapp.Message.text",
    ]


def test_a_column_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"seedapp\.Attachment has no kinds\."):
        keep(Attachment, "Names.", "kind", "kinds")
    assert undeclared([Attachment]) == ["seedapp.Attachment.kind"]
