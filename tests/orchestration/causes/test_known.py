"""What is known of error codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import errors
from orchestration.causes.known import KNOWN, UNKNOWN, known
from orchestration.providers.errors import BY_STATUS, FAILED, FILTERED, OUT_OF_QUOTA, REFUSED
from orchestration.providers.http.transport import RULES

PROVIDERS = Path(errors.__file__).parent / "providers"
NEVER_STORED = {"call_failed", "database_away", "held"}
"""Told to callers, or waiting; no call ends with them. `call_failed`: what services raise without a code."""


def kinds(kind: type[errors.CallError]) -> Iterator[type[errors.CallError]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from kinds(each)


def codes() -> set[str]:
    named = re.compile(r'code="([a-z_]+)"')
    of_providers = {code for path in PROVIDERS.rglob("*.py") for code in named.findall(path.read_text())}
    meanings = {each.code for each in (*BY_STATUS.values(), FAILED, FILTERED, OUT_OF_QUOTA, REFUSED, *RULES)}
    return {each.code for each in kinds(errors.CallError)} | of_providers | meanings


def test_every_code_that_a_call_ends_with_is_explained() -> None:
    assert len(codes()) > 25
    assert codes() - set(KNOWN) - NEVER_STORED - {"unknown_url"} == set()


@pytest.mark.parametrize("code", KNOWN)
def test_each_says_what_it_is_and_what_helps(code: str) -> None:
    assert not known(code).said.endswith(".")
    assert known(code).remedy.endswith(".")


DONE_ELSEWHERE = {"cancelled", "unreadable", "paid_requests_forbidden", "content_unavailable", "content_lost"}
"""On the page of the call, in the database, in the settings, in the storage."""


@pytest.mark.parametrize("code", sorted(set(KNOWN) - DONE_ELSEWHERE))
def test_each_leads_to_where_it_is_mended(code: str) -> None:
    assert known(code).places


def test_codes_of_services_have_a_remedy_too() -> None:
    assert known("out_of_paper") is UNKNOWN
