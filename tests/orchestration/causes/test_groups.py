"""Failed calls by cause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.causes import groups
from orchestration.causes.groups import failed_groups
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
REFUSED = "The provider refused the request. (HTTP 400, context_length_exceeded)"


def test_calls_are_together_that_are_mended_together() -> None:
    """By service, route, code and message without its numbers."""
    first = failed(error_code="timeout", error="No answer within 30 s.")
    second = failed(error_code="timeout", error="No answer within 31 s.")
    failed(error_code="bad_request", error=REFUSED)
    failed(error_code="bad_request", error=REFUSED, client="other")
    found, is_cut = failed_groups()
    assert (found[0].count, found[0].cause.code, found[0].route) == (2, "timeout", "/")
    assert found[0].call_ids == [second.pk, first.pk]
    assert len(found) == 3
    assert not is_cut
    refused = next(group for group in found if group.route == "other/")
    assert refused.cause.words == ("context_length_exceeded",)


def test_what_waits_for_another_try_is_in_its_group() -> None:
    failed(error_code="timeout", error="x")
    queued(error_code="timeout", error="x", failures=1, attempts=1)
    queued()
    (group,), _ = failed_groups()
    assert (group.failed, group.waiting, len(group.call_ids)) == (1, 1, 1)


def test_what_is_tried_again_is_seen_behind_any_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "NEWEST", 2)
    retried = queued(failures=1, error_code="timeout")
    for _ in range(5):
        queued()
    (group,), is_cut = failed_groups()
    assert (group.waiting_ids, is_cut) == ([retried.pk], False)


def test_it_says_when_either_kind_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "NEWEST", 2)
    for _ in range(2):
        failed(), queued(failures=1, error_code="timeout")
    assert not failed_groups()[1], "each was looked at"
    queued(failures=1, error_code="timeout")
    (group,), is_cut = failed_groups()
    assert (group.failed, group.waiting, is_cut) == (2, 2, True)


def test_calls_that_are_tried_again_have_an_index() -> None:
    queued(failures=1, error_code="timeout")
    with CaptureQueriesContext(connection) as asked:
        failed_groups()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # of one row it would be the better way
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN'} {asked[1]['sql']}")
        assert "call_list_retried" in str(cursor.fetchall())


def test_what_is_older_than_a_week_is_left_out() -> None:
    failed(created_at=timezone.now() - timedelta(days=8))
    assert failed_groups() == ([], False)


def test_two_queries_and_no_content_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "NEWEST", 3)
    for number in range(5):
        failed(error_code=f"code_{'abcde'[number]}")
    with CaptureQueriesContext(connection) as asked:
        found, is_cut = failed_groups()
    assert (len(found), is_cut, len(asked)) == (3, True, 2)
    assert not [query for query in asked if '"input"' in query["sql"] or '"result"' in query["sql"]]
