"""Reads untrusted pickles: returns plain values, and never runs code.

django-q keeps messages, arguments and results as pickles. A pickle is a program; this reader lets it build
values of the types below and nothing else.
"""

from __future__ import annotations

import binascii
import io
import pickle
import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any, ClassVar

PLAIN = {
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("uuid", "UUID"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
}
"""Module and name of the types allowed besides None, numbers, texts, bytes, lists and dicts."""
DAMAGED = (
    *(pickle.UnpicklingError, struct.error, EOFError, ValueError, TypeError, AttributeError, LookupError),
    *(ArithmeticError, AssertionError, RuntimeError, MemoryError),
)
"""What Python's reader, and the types that it calls, raise for bytes that are not a whole pickle."""
UNREADABLE = "(not shown: it is more than plain values)"
DEEPEST = 100
"""Tuples within tuples."""
MOST_TUPLES = 100_000
"""In one tuple, each counted as often as it is met: looking one up in a set or dict visits all of them, and a
hundred bytes can encode more than can ever be visited."""


class NotPlain(ValueError):
    """The bytes are not a pickle, or one of more than plain values."""


class _Reader(pickle._Unpickler):
    """The unpickler written in Python: the one in C reserves as much memory as a few forged bytes request."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._measured: dict[int, tuple[int, int, object]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PLAIN:
            raise NotPlain("it is more than plain values")
        return super().find_class(module, name)

    def refuse(self) -> None:
        """Replaces reading a bytearray, which reserves memory of the announced size before it reads."""
        raise NotPlain("it holds a bytearray")

    def measure(self) -> None:
        """NotPlain when the tuple that was just made is nested too deep, or contains too many others."""
        made = self.stack[-1]
        inner = [self._measured[id(part)] for part in made if isinstance(part, tuple) and id(part) in self._measured]
        depth = 1 + max((depth for depth, _, _ in inner), default=0)
        count = 1 + sum(count for _, count, _ in inner)
        if depth > DEEPEST or count > MOST_TUPLES:
            raise NotPlain("its tuples are nested too deep")
        self._measured[id(made)] = (depth, count, made)  # kept, so that no other object gets its id


def _measuring(make: Callable[[Any], None]) -> Callable[[Any], None]:
    def made(reader: _Reader) -> None:
        make(reader)
        reader.measure()

    return made


_Reader.dispatch[pickle.BYTEARRAY8[0]] = _Reader.refuse
for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _Reader.dispatch[_code[0]] = _measuring(_Reader.dispatch[_code[0]])


def loads(data: bytes) -> Any:
    """The value; NotPlain when the bytes contain anything else."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except NotPlain:
        raise
    except DAMAGED as error:
        raise NotPlain("it cannot be read") from error


class Serializer:
    """For Django's signing."""

    loads = staticmethod(loads)
    dumps = staticmethod(pickle.dumps)


def from_column(value: str | None, *_: object) -> Any:
    """`from_db_value` for a column of pickles; UNREADABLE when the value is not plain."""
    if value is None:
        return None
    try:
        return loads(b64decode(value))
    except (NotPlain, binascii.Error, ValueError):
        return UNREADABLE


def to_python(value: Any) -> Any:
    """`to_python` for such a field, used by fixtures and forms: a text that is not a pickle of plain values is
    returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return loads(b64decode(value, validate=True))
    except (NotPlain, ValueError):
        return value
