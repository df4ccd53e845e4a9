"""`Idempotency-Key` of operations that create a row which keeps the key: a repeat gives that row, as it is by now.

A call keeps its key until it is pruned, a consensus run for good. POSTs that create no such row are covered by
`config.http.stored_answers`, which keeps whole answers for a day.
"""

from __future__ import annotations

from typing import Annotated

from django.http import HttpResponse
from ninja import Header

from orchestration.api.schemas import NO_NUL

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255
IdempotencyKey = Annotated[str | None, Header(alias=HEADER, min_length=1, max_length=MAX_LENGTH, pattern=NO_NUL)]


def mark_replayed(response: HttpResponse) -> None:
    """Say that this answer is about what an earlier request with the same key created."""
    response[REPLAYED] = "true"
