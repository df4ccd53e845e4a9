"""How PostgreSQL reads its tables to answer the statements of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection


@dataclass(slots=True)
class Plans:
    """The SELECTs of a block with their plans, once it is over."""

    asked: dict[str, Any] = field(default_factory=dict)
    """The parameters of each; of several that differ only in these the last."""
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def read_whole(self, *tables: str) -> list[str]:
        """`table: statement` for each sequential scan of one of these tables."""
        return [
            f"{node['Relation Name']}: {sql}"
            for sql, plan in self.found.items()
            for node in nodes(plan)
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in tables
        ]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@contextmanager
def plans_of() -> Iterator[Plans]:
    """The plans are asked for after the block, with the parameters that were sent."""
    plans = Plans()

    def noting(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.lstrip(" \n(").startswith(("SELECT", "WITH")):
            plans.asked[sql] = params
        return execute(sql, params, many, context)

    with connection.execute_wrapper(noting):
        yield plans
    with connection.cursor() as cursor:
        for sql, params in plans.asked.items():
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            ((told,),) = cursor.fetchone()
            plans.found[sql] = told["Plan"]
