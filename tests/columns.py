"""Which columns the database hands out, as the driver names them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def columns_handed_out() -> Iterator[set[str]]:
    """The names of the columns in the results of all statements of the block. What is computed has another name."""
    names: set[str] = set()

    def noting(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        names.update(column[0] for column in context["cursor"].description or ())
        return result

    with connection.execute_wrapper(noting):
        yield names
