"""Filters for the logs of other packages, which could contain personal data."""

from __future__ import annotations

import logging


class WithoutResults(logging.Filter):
    """django-q logs a failed task with the exception's text, which may hold personal data: keep which task failed.

    Its error records with a traceback lose the traceback's message too, and keep the exception's type.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0] is not None:
            record.msg, record.args = "%s error=%s", (record.getMessage(), record.exc_info[0].__name__)
            record.exc_info = record.exc_text = None
        elif record.msg and str(record.getMessage()).startswith("Failed '"):
            record.msg, record.args = record.getMessage().partition(" - ")[0], None
        return True
