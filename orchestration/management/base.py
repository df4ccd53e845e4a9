"""What every command of the project has in common: odd input, a full disk, a closed output or a database that cannot
be used end it with a sentence and a status that is not 0, never with a traceback."""

from __future__ import annotations

import argparse
import errno
import io
import math
import os
import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from orchestration.errors import OrchestrationError
from orchestration.log import describe
from orchestration.values.plain_text import plain_text


class PlainCommand(BaseCommand):
    """A command that may raise what the project raises on purpose, and be given anything as text."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """CommandError for unreadable arguments, and for errors while the command runs."""
        for name, value in options.items():
            _refuse_odd_text(name, value)
        if sys.stdout is None and options.get("stdout") is None:
            raise CommandError(
                "Standard output is closed, and this writes to it. Redirect it, for example to /dev/null."
            )
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal's encoding does not have
        try:
            result = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError as error:
            _forget_output()
            raise CommandError("The output was closed before everything was written.") from error
        except OrchestrationError as error:
            raise CommandError(f"{error.code}: {error}") from error
        except Error as error:
            raise CommandError(
                f"The database cannot be used ({describe(error)}). Is it reachable, and did `manage.py migrate` run?"
            ) from error
        except RecursionError as error:
            raise CommandError("The input is nested too deeply.") from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                _forget_output()
            where = f"{error.filename}: " if error.filename else ""
            raise CommandError(f"{where}{error.strerror or error}.") from error
        return result


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of an option: a whole number within the bounds."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {_shown(text)}")
        return number

    return read


def real(least: float, most: float) -> Callable[[str], float]:
    """The type of an option: a number above `least`, at most `most`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least < value <= most:
            raise argparse.ArgumentTypeError(f"must be a number above {least:g}, at most {most:g}, not {_shown(text)}")
        return value

    return read


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)")


def _refuse_odd_text(name: str, value: object) -> None:
    for each in value if isinstance(value, list | tuple) else (value,):
        if isinstance(each, str):
            try:
                plain_text(each)
            except ValueError:
                message = "contains control characters or bytes that are not UTF-8: give it as text"
                raise CommandError(f"{name.replace('_', '-')} {message}.") from None


def _forget_output() -> None:
    """Python flushes standard output once more when it exits, and would report the same again, with a traceback."""
    original = sys.__stdout__
    if original is not None and sys.stdout is original:
        os.dup2(os.open(os.devnull, os.O_WRONLY), original.fileno())
