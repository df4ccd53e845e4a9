"""What is stored of an answer is read back by its schema, with equal values, wherever it is read."""

import json
from copy import deepcopy

import pytest

from orchestration.engine.execution.validation import structured_value
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import InvalidOutput
from orchestration.models.states import PersistState
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from persistence.handlers.schema_upgrades import schema_coverage
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess
from tests.seedapp.models import Message
from tests.seedapp.orca import round_trips
from tests.seedapp.orca.round_trips import (
    ANSWERS,
    SERVICES,
    Changed,
    Collections,
    Computed,
    Counted,
    Excluded,
    Filled,
    Lenient,
    Numbers,
    Serialized,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
every_schema = pytest.mark.parametrize("schema", list(ANSWERS), ids=lambda schema: schema.__name__)


def answered(schema, *answers):
    """A call whose provider gives these answers, run and persisted; and the requests that were sent."""
    record = submit(CallSpec(service=SERVICES[schema], context={"ticket": "x"}))
    with scripted(*(Fault(kind="text", text=json.dumps(answer)) for answer in answers)) as simulation:
        drain()
    record.refresh_from_db()
    return record, simulation.request_log.entries


@every_schema
def test_an_answer_is_persisted_and_reprocessed_unchanged(schema):
    expected = repr(schema.model_validate(deepcopy(ANSWERS[schema])))
    record, requests = answered(schema, ANSWERS[schema])
    assert (record.status, record.domain_persist_state, len(requests)) == ("succeeded", PersistState.PERSISTED, 1)
    assert record.result["structured_data"] == ANSWERS[schema]
    assert Message.objects.get().content == expected
    assert (schema_coverage(schema).current, dry_run(record.pk, Policy.RECREATE).outcome) == (
        1,
        ReprocessOutcome.UNCHANGED,
    )
    assert reprocess(record.pk, Policy.RECREATE).error == ""
    assert Message.objects.get().content == expected


@every_schema
def test_the_model_is_asked_for_the_keys_that_are_read(schema):
    record, _ = answered(schema, ANSWERS[schema])
    asked = record.request_audits.get().response_schema["properties"]
    assert ANSWERS[schema].keys() <= asked.keys()


def test_an_invalid_answer_is_repaired_by_the_keys_asked_for():
    record, requests = answered(round_trips.Aliased, {"group_": "salts", "text": "a"}, ANSWERS[round_trips.Aliased])
    assert (record.domain_persist_state, len(requests)) == (PersistState.PERSISTED, 2)
    assert "group: Field required" in record.request_audits.get(repair=1).messages[-1]["content"]


def test_numbers_are_judged_as_every_database_gives_them_back():
    record, _ = answered(Numbers, {"either": 1e16, "large": -1.5e300, "zero": -0.0, "text": 1e16, "exact": 1e16})
    assert record.result["structured_data"] == ANSWERS[Numbers]
    assert Message.objects.get().content == repr(Numbers.model_validate(ANSWERS[Numbers]))


def test_validators_run_once_per_answer_and_once_per_handler():
    round_trips.RUNS.clear()
    answered(Counted, {"n": 1})
    assert len(round_trips.RUNS) == 2


def test_what_the_answer_left_out_has_its_default_in_the_handler():
    record, _ = answered(Lenient, {"inner": {"n": 1}, "unknown": 1})
    assert record.result["structured_data"] == {"inner": {"n": 1}, "unknown": 1}
    assert "default=['x']" in Message.objects.get().content


@every_schema
def test_an_instance_returned_by_execute_is_read_back_or_refused(schema):
    value = schema.model_validate(deepcopy(ANSWERS[schema]))
    if schema in {Excluded, Filled, Collections, Changed, Serialized}:  # what is left out, renamed or another again
        with pytest.raises(InvalidOutput):
            structured_value(value, schema)
        return
    output, data = structured_value(value, schema)
    assert output is None
    assert vars(schema.model_validate(json.loads(json.dumps(data)))) == vars(value)


def test_an_instance_that_is_not_read_back_is_told_by_field():
    with pytest.raises(InvalidOutput, match="Changed that its own JSON does not give again; these fields differ: n,"):
        structured_value(Changed.model_validate({"n": 1, "words": "a"}), Changed)


def test_a_dict_that_execute_returned_is_stored_as_it_is():
    assert structured_value({"n": 1}, Computed) == (None, {"n": 1})
    assert structured_value({"n": 1, "words": "a"}, Changed) == (None, {"n": 1, "words": "a"})
    with pytest.raises(InvalidOutput, match="what JSON cannot hold"):
        structured_value({"n": object()}, Computed)
