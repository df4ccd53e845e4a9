"""Asking the model again for what was rejected."""

import json

import pytest

from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.approval.decisions import edit_and_approve, preview_edit, reject
from persistence.approval.training import TrainingFormat, training_lines
from persistence.models.approval import Hold

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LONG = [{"role": "user", "content": "ü" * 210_000}]
"""Longer than a page shows."""


@pytest.fixture
def asked(held):
    hold = held()
    call = ServiceCallRecord.objects.get(pk=hold.call_id)
    AIRequestAudit(call=call, correlation_id=call.correlation_id, messages=LONG, outcome="answered").save()
    return hold


def test_a_prompt_longer_than_a_page_is_sent_again(asked, anna):
    made = reject(asked.pk, by=anna, note="too long", rerun=True).made
    sent = ServiceCallRecord.objects.get(pk=made).service_kwargs["messages"]
    assert sent[:1] == LONG
    assert "for this reason: too long" in sent[-1]["content"]


def test_a_prompt_longer_than_a_page_teaches(asked, anna):
    preview = preview_edit(asked.pk, {"text": "better"})
    edit_and_approve(asked.pk, by=anna, answer={"text": "better"}, shown=preview.digest)
    (line,) = training_lines(Hold.objects.all(), TrainingFormat.DIALOGUE)
    assert line["messages"][:1] == LONG
    assert json.loads(line["messages"][-1]["content"]) == {"text": "better"}
