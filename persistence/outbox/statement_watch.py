"""What the statements of a handler mean for those that share its transaction."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from persistence.tracking.hand_written_sql import text_of

WRITTEN_LATER = re.compile(r"persisted_chunk|persisted_object|service_call_record", re.IGNORECASE)
"""Tables that a group writes at its end: until then they do not say what became of its results."""
ENDS_TRANSACTION = re.compile(r"\s*(?:COMMIT|END|ABORT|ROLLBACK(?!.*\bTO\b)|BEGIN|START|PREPARE)\b", re.IGNORECASE)
LOCKS_NOTHING = re.compile(
    r"\s*(?:SELECT\b(?!.*(?:\bFOR\s+(?:UPDATE|NO\s+KEY|SHARE|KEY)|\bpg_|\bset_config|\blo_))"
    r"|INSERT\b(?!.*\bDO\s+UPDATE\b)|SAVEPOINT\b|RELEASE\b|ROLLBACK\b)",
    re.IGNORECASE | re.DOTALL,
)
"""Reads, and rows that nobody else sees yet. Whatever is not known to be harmless counts as a lock."""


class StatementWatch:
    """An execute wrapper. What it has seen is that of one handler, from `reset` on."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.locks = False
        """It may have locked, or changed, what is not only its own until the commit."""
        self.is_out_of_place = False
        """It needs a transaction of its own."""

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = sql if isinstance(sql, str) else text_of(sql, context)
        if WRITTEN_LATER.search(text):
            self.is_out_of_place = True
        elif ENDS_TRANSACTION.match(text):
            self.is_out_of_place = True
            raise OutOfPlace("A handler may not end the transaction that it runs in.")
        self.locks = self.locks or not LOCKS_NOTHING.match(text)
        return execute(sql, params, many, context)


class OutOfPlace(Exception):
    """What is not to be done in a transaction that others share."""
