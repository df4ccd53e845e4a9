"""For any bytes that a provider sends, and any value that `execute()` returns: an audit, the tokens, an end, pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from tests.apps.gateway.raw_provider import RawProvider, http
from tests.engineapp.orca.services import answers, triage
from tests.orchestration.engine.execution.asking import asked_at, check_ended, check_pages, run
from tests.orchestration.engine.execution.generating import Sent, bodies, bounded, results

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.long]


def test_any_bytes_are_stored_counted_and_judged(root: Client) -> None:
    with RawProvider([]) as server:

        @bounded
        @example(sent=Sent("chat", 200, b"", counted=False), service=triage.Triage)
        @given(sent=bodies(), service=st.sampled_from((triage.Triage, triage.FreeText)))
        def check(sent: Sent, service: Any) -> None:
            server.answers = [http(sent.status, sent.body)]
            with asked_at(server, sent.surface):
                record = run(service)
            check_ended(record)
            found = [audit.answer for audit in record.request_audits.all()]
            assert found
            assert sent.body.strip() == b"null" or None not in [answer.raw for answer in found]
            if sent.counted:
                assert [answer.total_tokens for answer in found] == [15] * len(found)
            assert record.total_tokens == sum(answer.total_tokens for answer in found)
            check_pages(record, root)

        check()


def test_any_result_is_stored_or_named(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    @bounded
    @given(value=results, service=st.sampled_from((answers.MadeFreely, answers.MadeBySchema)))
    def check(value: Any, service: Any) -> None:
        monkeypatch.setattr(service, "make", staticmethod(lambda: value))
        record = run(service)
        check_ended(record)
        assert record.error_code in {"", "invalid_output"}
        if record.status == "succeeded":
            assert json.dumps(record.stored_response().structured_data, allow_nan=False)
        else:
            assert record.error
        check_pages(record, root)

    check()
