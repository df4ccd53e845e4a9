"""tiktoken's encodings, which a process loads once."""

from __future__ import annotations

from apps.gateway.metering import token_count


def forget_encodings() -> None:
    """Have the next count look for the data again."""
    token_count.encoding_of.cache_clear()
    token_count._encoding.cache_clear()
