"""The page of schemas and handlers."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_old_code_and_old_schemas_are_reported(root: Client) -> None:
    current, old = memo("a"), memo("b", 1)
    persist(current), persist(old)
    schema = "schemas.seedapp.default.MemoSchema"
    upgrades = reverse("admin:persistence_upgrades")
    page = root.get(upgrades, {"schema": schema}).content.decode()
    assert "persist.seedapp.default.MemoPersistence" in page
    shown = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert re.search(r"persist\.seedapp\.default\.MemoPersistence \w{16} current ", shown)
    assert "<dt>upgradable</dt><dd>1</dd>" in page
    assert "There is no schema gone" in root.get(upgrades, {"schema": "gone"}).content.decode()
