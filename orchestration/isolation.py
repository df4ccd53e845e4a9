"""Running code that may raise anything (an author's, a provider's client, a broker's) without ending its caller."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class isolated:  # noqa: N801 - reads like a function: `with isolated() as run:`
    """A block whose exception is kept in `error` instead of raised, for the caller to log, to store or to convert.

    In place of `except Exception`, wherever what runs is not ours and what comes after it must run. Cancellation,
    `SystemExit` and interrupts pass through. `error` is None after a block that came to its end.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None
