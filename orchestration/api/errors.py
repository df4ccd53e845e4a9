"""The one exception that REST code raises; an API's error handler may turn it into an envelope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from ninja.errors import HttpError

Row = TypeVar("Row")


class ApiError(HttpError):
    """A request is refused: `status` is the HTTP status, `code` a stable word, `message` says what and how to mend it.

    `details` is JSON and becomes part of the envelope; `details["retry_after"]` is in seconds. An API without a handler
    for it answers as for any HttpError: with the status, and the message as `detail`.
    """

    def __init__(self, status: int, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


@contextmanager
def refused_as(answers: Mapping[type[Exception], int | Callable[[Any], ApiError]]) -> Iterator[None]:
    """Raise ApiError for the errors of these classes and their subclasses, by the nearest class: with a status, and the
    error's own `code` and message, or as the function says."""
    try:
        yield
    except tuple(answers) as error:
        answer = next(answers[kind] for kind in type(error).__mro__ if kind in answers)
        if not isinstance(answer, int):
            raise answer(error) from error
        raise ApiError(answer, error.code, str(error)) from error  # type: ignore[attr-defined]


def found(row: Row | None, message: str) -> Row:
    """The row; ApiError 404 with this message when there is none."""
    if row is None:
        raise ApiError(404, "not_found", message)
    return row
