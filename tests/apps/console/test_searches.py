"""Searches of the console for whole values: what they find, and that each reads by an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from apps.consensus.models import PromptSet, Run
from apps.gateway.models import Interaction
from apps.simulation.models import Simulation, SimulationEvent
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from persistence.models import BulkItem, BulkRun, ObjectRole, PersistedChunk, PersistedObject
from persistence.operations import REPROCESS
from tests.orchestration.factories import queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ROWS = 2000
SCHEMA = "schemas.engineapp.default."
CHUNKS, OBJECTS = "persistence_persistedchunk", "persistence_persistedobject"
REQUESTS, ANSWERS = "orchestration_airequestaudit", "orchestration_airesponseaudit"
INTERACTIONS, RUNS = "gateway_interaction", "consensus_run"
SIMULATIONS, EVENTS = "simulation_simulation", "simulation_simulationevent"
ITEMS = "persistence_bulkitem"


def uuid_of(number: int) -> UUID:
    return UUID(int=number)


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def fill(rows: int) -> None:
    """So many rows of each table, number n of each with values that end with n."""
    owner = User.objects.get()
    fill_persistence(rows)
    fill_audits(rows)
    keys = [ApiKey(owner=owner, prefix=f"key{n}", name=f"{n}", scopes=[]) for n in range(rows)]
    made = ApiKey.objects.bulk_create(keys)
    Interaction.objects.bulk_create(
        Interaction(request_id=f"req_{n}", user_id=str(n), api_key=made[n], model="m") for n in range(rows)
    )
    simulations = Simulation.objects.bulk_create(
        Simulation(uuid=uuid_of(n), user=owner, sim_patient_full_name=f"Patient {n}") for n in range(rows)
    )
    SimulationEvent.objects.bulk_create(
        SimulationEvent(simulation=simulation, sequence=1, kind="status") for simulation in simulations
    )
    prompts = PromptSet.objects.create()
    Run.objects.bulk_create(
        Run(id=uuid_of(n), user=owner, input_idea="i", model="m", temperature=0, schema_version="1", prompt_set=prompts)
        for n in range(rows)
    )


def fill_persistence(rows: int) -> None:
    """Chunk n is of call n and schema n, made object n as its primary one and touched object 9000 + n."""
    kind = ContentType.objects.get_for_model(Simulation)
    chunks = PersistedChunk.objects.bulk_create(
        PersistedChunk(call_id=f"call{n}", schema_identity=f"{SCHEMA}S{n}", content_type=kind, object_id=str(n))
        for n in range(rows)
    )
    for role, first in ((ObjectRole.PRIMARY, 0), (ObjectRole.RELATED, 9000)):
        PersistedObject.objects.bulk_create(
            PersistedObject(chunk=chunk, content_type=kind, object_id=str(first + n), role=role)
            for n, chunk in enumerate(chunks)
        )
    run = BulkRun.objects.create(kind=REPROCESS.key)
    BulkItem.objects.bulk_create(BulkItem(run=run, call_id=f"call{n}") for n in range(rows))


def fill_audits(rows: int) -> None:
    """The first is of the call 0123abcd, the others of calls that were pruned."""
    call = queued(id="0123abcd")
    made = [request_audit(call, correlation_id=uuid_of(n)) for n in range(rows)]
    for audit in made[1:]:
        audit.call = None
    requests = AIRequestAudit.objects.bulk_create(made)
    AIResponseAudit.objects.bulk_create(
        AIResponseAudit(ai_request=request, call=request.call, provider_response_id=f"resp_{n}")
        for n, request in enumerate(requests)
    )


def searched(client: Client, page: str, text: str) -> tuple[list[Any], list[str]]:
    """(rows, statements that read the searched tables)."""
    with CaptureQueriesContext(connection) as captured:
        response = client.get(reverse(f"admin:{page}_changelist"), {"q": text})
    assert response.status_code == 200
    tables = [f'FROM "{model._meta.db_table}"' for model in FILLED]
    statements = [query["sql"] for query in captured if any(table in query["sql"] for table in tables)]
    return list(response.context["cl"].result_list), statements


FILLED = (
    *(PersistedChunk, PersistedObject, BulkItem, AIRequestAudit, AIResponseAudit),
    *(ApiKey, Interaction, Simulation, SimulationEvent, Run),
)
SEARCHES = [
    (CHUNKS, "call7", "call_id"),
    (CHUNKS, "7", "object_id"),
    (CHUNKS, f"{SCHEMA}S7", "schema_identity"),
    (CHUNKS, "engineapp.default.S7", "schema_identity"),
    (OBJECTS, "9007", "object_id"),
    (ITEMS, "call7", "call_id"),
    (REQUESTS, "0123abcd", "call_id"),
    (REQUESTS, str(uuid_of(7)), "correlation_id"),
    (ANSWERS, "0123abcd", "call_id"),
    (ANSWERS, "resp_7", "provider_response_id"),
    (INTERACTIONS, "req_7", "request_id"),
    (INTERACTIONS, "7", "user_id"),
    (INTERACTIONS, "key7", "api_key.prefix"),
    (RUNS, str(uuid_of(7)), "pk"),
    (SIMULATIONS, str(uuid_of(7)), "uuid"),
    (EVENTS, str(uuid_of(7)), "simulation.uuid"),
]
"""(page, text, where the one row that it finds holds it)."""


def value_of(row: Any, path: str) -> str:
    for name in path.split("."):
        row = getattr(row, name)
    return str(row)


@pytest.mark.parametrize(("page", "text", "where"), SEARCHES)
def test_a_whole_value_finds_its_row_and_no_other(root: Client, page: str, text: str, where: str) -> None:
    fill(20)
    (row,), _ = searched(root, page, text)
    assert value_of(row, where).removeprefix("schemas.") == text.removeprefix("schemas.")


def test_a_call_id_finds_its_objects_and_two_words_narrow(root: Client) -> None:
    fill(20)
    assert [row.object_id for row in searched(root, OBJECTS, "call7")[0]] == ["9007", "7"]
    assert [row.object_id for row in searched(root, OBJECTS, "call7 9007")[0]] == ["9007"]
    assert searched(root, CHUNKS, "call7 8")[0] == []


def test_what_nothing_holds_finds_nothing(root: Client) -> None:
    fill(2)
    for page in {page for page, _, _ in SEARCHES}:
        for text in ("nothing", str(uuid_of(77)), "9" * 30, "'; --", '"two words"'):
            assert searched(root, page, text)[0] == [], (page, text)
    Interaction.objects.create(request_id="req_2", user_id="", model="m")
    assert searched(root, INTERACTIONS, '"')[0] == []


@pytest.mark.postgres_only
def test_every_search_reads_by_an_index(root: Client) -> None:
    fill(ROWS)
    with connection.cursor() as cursor:
        for model in FILLED:
            cursor.execute(f"ANALYZE {model._meta.db_table}")
    for page, text, _ in [*SEARCHES, (OBJECTS, "call7", ""), *((page, "nothing", "") for page in INDEXED_WHOLLY)]:
        _, statements = searched(root, page, text)
        for sql in statements:
            assert rows_read(sql) < 100, (page, text, sql)


@pytest.mark.postgres_only
def test_calls_of_an_object_are_read_by_indexes(root: Client) -> None:
    """One object among many, whatever it has to do with them; for a user with most of the calls, too."""
    owner, other = User.objects.get(), User.objects.create_user("other@example.com", "pw")
    kind = ContentType.objects.get_for_model(User)
    owned = [{"requested_by": owner}, {"related_content_type": kind, "related_object_id": str(owner.pk)}]
    calls = [{"requested_by": other} for _ in range(ROWS)] + owned
    ServiceCallRecord.objects.bulk_create(
        ServiceCallRecord(service_identity="s", namespace="n", **one) for one in calls
    )
    correlated = ServiceCallRecord.objects.order_by("pk")[0]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE service_call_record")
    for text, found in (
        (f"user:{owner.pk}", 2),
        ("user:root@example.com", 2),
        (f"user:{other.pk}", 50),
        (str(correlated.correlation_id), 1),
        ("user:999999", 0),
    ):
        rows, statements = searched(root, "orchestration_servicecallrecord", text)
        assert len(rows) == found, text
        for sql in statements:
            assert rows_read(sql) < 200, (text, sql)


INDEXED_WHOLLY = (CHUNKS, OBJECTS, ITEMS, REQUESTS, ANSWERS, INTERACTIONS, EVENTS)
"""Where any text is looked up as a whole value, and not as words."""


def rows_read(sql: str) -> int:
    """How many rows the database looks at to answer a statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        ((told,),) = cursor.fetchone()
    return sum(_of_node(node) for node in _nodes(told["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _nodes(part)


def _of_node(node: dict[str, Any]) -> int:
    if "Relation Name" not in node:
        return 0
    thrown_away = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(node["Actual Loops"] * (node["Actual Rows"] + thrown_away))
