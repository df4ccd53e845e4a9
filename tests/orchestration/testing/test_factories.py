"""Calls that factories make are such as the engine makes."""

import pytest
from django.core.exceptions import FieldDoesNotExist

from orchestration.errors import MissingContext
from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from orchestration.testing import assert_persisted, drain, make_call, make_result
from tests.engineapp.orca.services.answers import MadeFreely
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer, TicketAnswerSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TICKET = {"ticket": "It burns."}


@pytest.mark.parametrize("status", Status.values)
def test_a_call_is_stored_in_any_status(status):
    record = make_call(GenerateTicketAnswer, status=status, context=TICKET, attempts=2, priority=5)
    stored = ServiceCallRecord.objects.get(pk=record.pk)
    assert (stored.status, stored.attempts, stored.priority, stored.context) == (status, 2, 5, TICKET)
    assert (stored.finished_at is None) == (status in {"queued", "running"})
    assert stored.schema_identity == str(TicketAnswerSchema.identity)


def test_a_queued_call_is_one_that_a_worker_takes():
    call = make_call(GenerateTicketAnswer, context=TICKET)
    drain()
    assert_persisted(call, Message)


def test_a_running_call_is_not_taken_for_abandoned():
    call = make_call(GenerateTicketAnswer, status="running", context=TICKET)
    assert not ServiceCallRecord.objects.expired().filter(pk=call.pk).exists()
    assert drain().calls == 0


def test_a_result_is_persisted_without_a_model():
    call = make_result(GenerateTicketAnswer, {"answer": "Done.", "urgent": False}, context=TICKET)
    assert drain().calls == 0
    assert [each.text for each in assert_persisted(call, Message)] == ["Done."]


def test_what_no_call_can_be_is_refused():
    with pytest.raises(MissingContext):
        make_call(GenerateTicketAnswer)
    with pytest.raises(FieldDoesNotExist):
        make_call(GenerateTicketAnswer, context=TICKET, statsu="failed")
    with pytest.raises(ValueError, match="no schema"):
        make_result(MadeFreely, {})
