"""How orchestration logs: `event key=value`, ids and codes only, never prompts, answers, keys or error texts."""

from __future__ import annotations

import traceback


def describe(error: BaseException) -> str:
    """An exception as type and place (`ValueError:handlers.py:42`): its message may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f":{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
