"""From an exception to a cause that a person can read, without any value."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import pytest
from django.core.exceptions import ValidationError as ModelInvalid
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Repeat
from pydantic import BaseModel, Field

from orchestration.models import ServiceCallRecord
from persistence.causes.analysis import cause_of
from persistence.causes.cause import Cause, Fault, Frame, Kind
from persistence.causes.frames import declared_at
from persistence.causes.remedies import REMEDIES, headline, place, remedy
from persistence.errors import InvalidReturn
from persistence.log import explain
from tests.seedapp.models import Message, Observation, Result, Specimen, Tally
from tests.seedapp.orca.persist.behaviours import NotePersistence

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECRET = "Mrs Jones, born 1950-01-01"


class Order(BaseModel):
    note: str = Field(max_length=10)
    size: Literal["small", "large"]
    lines: list[int]
    by_name: dict[str, int] = {}


def caught(code: Callable[[], Any]) -> Cause:
    """The cause of what the code raises, which names nothing secret; nor does what is logged of it."""
    with pytest.raises(Exception) as raised:
        code()
    cause = cause_of(raised.value)
    assert "Jones" not in json.dumps(cause.as_json()) + explain(raised.value)
    return cause


@pytest.mark.postgres_only
def test_a_text_that_is_too_long_names_column_and_limit() -> None:
    cause = caught(lambda: Message.objects.create(role=SECRET * 10))
    assert (cause.exception, cause.kind, cause.sqlstate) == ("DataError", Kind.TOO_LONG, "22001")
    assert (cause.table, cause.columns) == ("seedapp_message", ("role",))
    assert [str(fault) for fault in cause.faults] == [
        "seedapp_message.role: at most 64 characters, got text of 260 characters"
    ]


@pytest.mark.postgres_only
def test_the_field_is_found_in_an_update() -> None:
    Message.objects.create(role="a")
    cause = caught(lambda: Message.objects.update(role=SECRET * 10))
    assert (cause.columns, cause.faults[0].value) == (("role",), "text of 260 characters")


@pytest.mark.postgres_only
def test_the_field_is_found_in_a_bulk_insert() -> None:
    rows = [Result(simulation_id=1, name=name, value="") for name in ("short", SECRET * 10)]
    cause = caught(lambda: Result.objects.bulk_create(rows))
    assert (cause.columns, cause.faults[0].value) == (("name",), "text of 260 characters")


@pytest.mark.postgres_only
def test_a_number_that_is_too_large_names_the_range() -> None:
    cause = caught(lambda: Tally.objects.create(key="a", count=10**12))
    assert (cause.kind, cause.columns) == (Kind.OUT_OF_RANGE, ("count",))
    assert cause.faults[0].rule == "from 0 to 2,147,483,647"
    assert cause.faults[0].value == "a number of 13 digits"


@pytest.mark.postgres_only
@pytest.mark.parametrize(
    ("code", "faults"),
    [
        (
            lambda: ServiceCallRecord.objects.create(max_attempts=10**12),
            ["service_call_record.max_attempts: from 0 to 32,767, got a number of 13 digits"],
        ),
        (
            lambda: Message.objects.create(role="a", simulation_id=10**20),
            [f"seedapp_message.simulation_id: from {-(2**63):,} to {2**63 - 1:,}, got a number of 21 digits"],
        ),
        (
            lambda: Specimen.objects.create(name="a", amount=Decimal(10**18) - Decimal("0.001")),
            ["seedapp_specimen.amount: at most 18 digits before the point, got a Decimal"],
        ),
    ],
)
def test_the_number_is_found_among_values_of_all_kinds(code: Callable[[], Any], faults: list[str]) -> None:
    cause = caught(code)
    assert (cause.kind, cause.sqlstate) == (Kind.OUT_OF_RANGE, "22003")
    assert [str(fault) for fault in cause.faults] == faults


@pytest.mark.postgres_only
def test_a_column_that_is_shorter_than_its_model_is_found() -> None:
    """As where a migration was not applied, or somebody changed the table by hand."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE seedapp_message ALTER COLUMN role TYPE varchar(20)")
    cause = caught(lambda: Message.objects.create(role=SECRET, text="short"))
    assert (cause.kind, cause.table, cause.columns) == (Kind.TOO_LONG, "seedapp_message", ("role",))
    assert [str(fault) for fault in cause.faults] == [
        "seedapp_message.role: at most 20 characters in the database, 64 in the model (migrations?), got text of"
        " 26 characters"
    ]


@pytest.mark.postgres_only
def test_what_no_model_explains_names_the_table() -> None:
    Message.objects.create(role="a")
    cause = caught(lambda: Message.objects.update(role=Repeat(Value(SECRET), 100)))
    assert (cause.kind, cause.table, cause.columns) == (Kind.TOO_LONG, "seedapp_message", ())


def test_a_missing_value_names_its_column() -> None:
    cause = caught(lambda: Message.objects.create(role=None))
    assert (cause.kind, cause.table, cause.columns) == (Kind.NULL, "seedapp_message", ("role",))
    assert cause.faults == (Fault(path="seedapp_message.role", rule="not null", value="nothing"),)


def test_a_duplicate_names_table_and_columns() -> None:
    Tally.objects.create(key=SECRET)
    cause = caught(lambda: Tally.objects.create(key=SECRET))
    assert (cause.kind, cause.table, cause.columns) == (Kind.DUPLICATE, "seedapp_tally", ("key",))


def test_a_choice_that_the_column_does_not_know_says_so() -> None:
    cause = caught(lambda: ServiceCallRecord.objects.create(status="lost"))
    assert (cause.kind, cause.constraint) == (Kind.CHOICE, "call_status_known")
    assert (cause.table, cause.columns) == ("service_call_record", ("status",))


def test_a_row_that_is_missing_names_its_model() -> None:
    cause = caught(lambda: Message.objects.get(role=SECRET))
    assert (cause.exception, cause.kind) == ("Message.DoesNotExist", Kind.MISSING_ROW)
    assert cause.table == "seedapp_message"


def test_a_schema_names_fields_rules_and_kinds_of_values() -> None:
    data = {"note": SECRET, "size": SECRET, "lines": [1, SECRET], "by_name": {"Jones": SECRET}}
    cause = caught(lambda: Order.model_validate(data))
    assert (cause.exception, cause.kind) == ("ValidationError of Order", Kind.VALIDATION)
    assert [str(fault) for fault in cause.faults] == [
        "note: string_too_long (max_length 10), got text of 26 characters",
        "size: literal_error (expected 'small' or 'large'), got text of 26 characters",
        "lines.1: int_parsing, got text of 26 characters",
        "by_name.<key>: int_parsing, got text of 26 characters",
    ]
    missing = caught(lambda: Order.model_validate({}))
    assert str(missing.faults[0]) == "note: missing"


def test_a_model_that_is_not_valid_names_its_fields() -> None:
    cause = caught(lambda: Observation(kind=SECRET * 3, value="x").full_clean(exclude=["encounter"]))
    assert cause.kind is Kind.VALIDATION
    assert [str(fault) for fault in cause.faults] == ["kind: max_length (limit 50), got text of 78 characters"]


def test_errors_of_persistence_keep_their_message() -> None:
    def refuse() -> None:
        raise InvalidReturn("A handler returned a str.")

    assert caught(refuse).message == "A handler returned a str."


def test_what_describes_itself_wrongly_is_still_a_cause() -> None:
    class Odd(ModelInvalid):
        error_dict = property(lambda self: 1 / 0)

    def raise_it() -> None:
        raise Odd(SECRET)

    assert caught(raise_it).exception.endswith("Odd")


# --- where --------------------------------------------------------------------------------------


def helped() -> None:
    raise ValueError(SECRET)


def one() -> None:
    helped()


def other() -> None:
    helped()


def test_the_apps_lines_are_named_with_path_function_and_source() -> None:
    cause = caught(one)
    inner = cause.frames[-1]
    assert (inner.path, inner.function) == ("tests/persistence/causes/test_analysis.py", "helped")
    assert inner.source == "raise ValueError(SECRET)"
    assert [frame.function for frame in cause.frames][-2:] == ["one", "helped"]
    assert place(cause) == f"tests/persistence/causes/test_analysis.py:{inner.line} in helped"


def test_neither_libraries_nor_the_engine_are_the_apps() -> None:
    cause = caught(lambda: Message.objects.get(pk=-1))
    assert {frame.path for frame in cause.frames} == {"tests/persistence/causes/test_analysis.py"}


@pytest.mark.postgres_only
def test_compiled_libraries_are_not_the_apps() -> None:
    """Their frames name a file of theirs, which is nowhere."""
    cause = caught(lambda: Message.objects.create(role="\ud800"))
    assert cause.exception == "UnicodeEncodeError"
    assert {frame.path for frame in cause.frames} == {"tests/persistence/causes/test_analysis.py"}


def test_the_line_of_a_handler_in_a_library_counts() -> None:
    with pytest.raises(json.JSONDecodeError) as raised:
        json.loads("{")
    assert cause_of(raised.value, json.decoder.__file__).frames[-1].path == "json/decoder.py"


def cause(**given: Any) -> Cause:
    frame = Frame(path="shop/orders.py", function="store", line=12, source="save(order)")
    return Cause(**{"exception": "ValueError", "frames": (frame,), **given})


def test_a_fingerprint_ignores_values_and_line_numbers() -> None:
    moved = Frame(path="shop/orders.py", function="store", line=99, source="save(order)")
    assert cause(frames=(moved,)).fingerprint("h") == cause().fingerprint("h")
    faults = [(Fault(path=f"lines.{n}", rule="int_parsing", value=f"text of {n}"),) for n in (1, 2)]
    assert cause(faults=faults[0]).fingerprint("h") == cause(faults=faults[1]).fingerprint("h")


@pytest.mark.parametrize(
    "changed",
    [
        {"exception": "KeyError"},
        {"sqlstate": "23505"},
        {"constraint": "one_per_day"},
        {"columns": ("note",)},
        {"frames": (Frame(path="shop/lines.py", function="store", line=12, source="save(order)"),)},
        {"frames": (Frame(path="shop/orders.py", function="update", line=12, source="save(order)"),)},
        {"frames": (Frame(path="shop/orders.py", function="store", line=13, source="save(line)"),)},
        {"faults": (Fault(path="note", rule="missing", value=""),)},
    ],
)
def test_a_fingerprint_tells_causes_apart(changed: dict[str, Any]) -> None:
    assert cause(**changed).fingerprint("h") != cause().fingerprint("h")
    assert cause().fingerprint("other") != cause().fingerprint("h")


def test_a_cause_is_stored_and_read_again() -> None:
    stored = cause(kind=Kind.CHECK, columns=("a", "b"), faults=(Fault(path="a", rule="b", value="c"),))
    assert Cause.from_json(json.loads(json.dumps(stored.as_json()))) == stored
    newer = stored.as_json() | {"kind": "of tomorrow", "more": 1}
    assert Cause.from_json(newer).kind is Kind.OTHER
    assert Cause.from_json(None).exception == "unknown"


def test_every_kind_has_a_remedy_and_a_headline() -> None:
    assert set(REMEDIES) == set(Kind)
    for kind in Kind:
        assert remedy(cause(kind=kind)).endswith(".")
    assert headline(cause()) == "ValueError"
    assert remedy(cause()).startswith(f"The handler raised it at {place(cause())}. ")
    unplaced = remedy(Cause(exception="KeyError"))
    assert unplaced.startswith("No line of the handler was noted with it;")
    assert "below" not in unplaced
    told = cause(kind=Kind.DUPLICATE, table="order", columns=("day",), constraint="one_per_day", sqlstate="23505")
    assert headline(told) == ("ValueError: duplicate, in order (day), by one_per_day, SQLSTATE 23505 unique_violation")


def test_an_error_of_the_commit_leads_to_the_handler() -> None:
    """None of its lines is in the traceback."""
    (frame,) = declared_at(NotePersistence.persist)
    assert (frame.path, frame.function) == ("tests/seedapp/orca/persist/behaviours.py", "persist")
    assert frame.source == "def persist(self, response):"
    assert declared_at(len) == ()
