"""What the statements of a handler mean for those that share its transaction."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

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


class _Meaning(NamedTuple):
    """What a statement does, as far as its text tells."""

    uses_what_is_written_later: bool
    ends_transaction: bool
    locks: bool


def _read(text: str) -> _Meaning:
    return _Meaning(
        uses_what_is_written_later=WRITTEN_LATER.search(text) is not None,
        ends_transaction=ENDS_TRANSACTION.match(text) is not None,
        locks=not LOCKS_NOTHING.match(text),
    )


_remembered = lru_cache(maxsize=512)(_read)
LONGEST_REMEMBERED = 2_000
"""Characters. Handlers run the same statements again and again, and reading one takes longer than sending it."""


def meaning_of(text: str) -> _Meaning:
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _read(text)


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
        meaning = meaning_of(text)
        if meaning.uses_what_is_written_later:
            self.is_out_of_place = True
        elif meaning.ends_transaction:
            self.is_out_of_place = True
            raise OutOfPlace("A handler may not end the transaction that it runs in.")
        self.locks = self.locks or meaning.locks
        return execute(sql, params, many, context)


class OutOfPlace(Exception):
    """What is not to be done in a transaction that others share."""
