"""Masks personal data in every log line."""

from __future__ import annotations

import logging

from apps.gateway.masking.detectors import find_personal

LONGEST_LINE = 20_000
"""Characters of a log line that are searched; the rest is cut off, because it could contain anything."""


class MaskPersonalData(logging.Filter):
    """For handlers: masks the message, its arguments and the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit: logging itself would print them to stderr
            message = f"{record.name}: a log line whose arguments do not fit it"
        record.msg, record.args = masked_for_log(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = masked_for_log(record.exc_text)
        return True


def masked_for_log(text: str) -> str:
    """The text with `[EMAIL]` and the like for personal data; addresses of this machine are left."""
    parts, position = [], 0
    shown = text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + "…"
    for found in find_personal(shown):
        parts += [shown[position : found.start], f"[{found.kind}]"]
        position = found.end
    return "".join([*parts, shown[position:]])
