"""A hundred thousand results that wait: the first pages of the queue cost what they cost with a hundred."""

from __future__ import annotations

import pytest
from django.db import connection

from persistence.admin.approvals.queue import HoldQueue
from tests.persistence.admin.approvals.conftest import item
from tests.persistence.admin.approvals.test_listing import AT_MOST, cost_of_the_first_page, counts_the_table, made
from tests.persistence.admin.approvals.test_pages import user_of

pytestmark = [pytest.mark.django_db, pytest.mark.long, pytest.mark.postgres, pytest.mark.timeout(900)]
HELD = 100_000
FILTERS = ["", "assignee=me", "assignee=nobody", "reason=always", "service=services.shop.default.Answer"]


@pytest.fixture
def full(db: None) -> None:
    made(HELD)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE persistence_hold")


def plans(statements: list[str]) -> dict[str, str]:
    """How the database reads the queue, by the statements that do."""
    found = {}
    with connection.cursor() as cursor:
        for sql in statements:
            if 'FROM "persistence_hold"' in sql:
                cursor.execute(f"EXPLAIN {sql}")
                found[sql] = "\n".join(line for (line,) in cursor.fetchall())
    return found


def test_the_first_page_costs_few_queries_by_an_index(full, anna):
    for query in FILTERS:
        statements = cost_of_the_first_page(anna, query)
        assert len(statements) <= AT_MOST, "\n".join(statements)
        assert not [sql for sql in statements if counts_the_table(sql)]
        if connection.vendor == "postgresql":
            by_index(plans(statements), query)


def by_index(found: dict[str, str], query: str) -> None:
    assert found, query
    for sql, plan in found.items():
        assert "Index" in plan, f"{query}: {sql}\n{plan}"
        assert "hold_queue" in plan, f"{query}: {sql}\n{plan}"
        assert "Seq Scan on persistence_hold" not in plan, f"{query}: {sql}\n{plan}"


def test_the_next_and_the_one_before_are_found_by_an_index(full, anna):
    queue = HoldQueue(user=user_of(anna))
    holds = list(queue.open()[HELD // 2 : HELD // 2 + 2])
    assert queue.after(holds[0]) == holds[1].pk
    assert queue.before(holds[1]) == holds[0].pk
    assert anna.get(item(holds[0])).status_code == 200
