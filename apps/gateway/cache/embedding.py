"""Vectors of texts, from the provider."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from apps.gateway.metering.reported_usage import read_usage
from apps.gateway.metering.token_count import estimate
from orchestration.errors import PaidRequestsForbidden, ProviderError
from orchestration.providers.passthrough import Passthrough, status_code_name
from orchestration.values.json_bodies import write_json

logger = logging.getLogger(__name__)

Vector = NDArray[np.float32]
LARGEST_ANSWER = 2_000_000
PATIENCE_SECONDS = 5.0
"""How long a request waits for its embedding: a cache should save time."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """The embedding of a text, and what it cost."""

    vector: Vector | None
    """None when the text has no embedding, or it could not be computed."""
    tokens: int = 0
    """Billed by the provider."""
    estimated: bool = False
    """The provider did not say how many."""


class Embedder(Protocol):
    """Turns a text into a vector of length 1."""

    label: str
    """Stored with each vector; others' vectors are not compared."""

    async def embed(self, text: str) -> Embedding:
        """The text's vector, and what it cost."""


class ProviderEmbedder:
    """Embeddings by the provider's `model`. A failure counts as a cache miss, not as a failure of the request."""

    def __init__(self, provider: Passthrough, model: str) -> None:
        self.label = f"provider-{model}"[:128]
        self._model = model
        self._provider = provider

    async def embed(self, text: str) -> Embedding:
        body = write_json({"model": self._model, "input": text, "encoding_format": "float"})
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._provider.request("POST", "/embeddings", body) as reply:
                raw = await reply.read(LARGEST_ANSWER)
        except PaidRequestsForbidden:
            return _failed("paid_requests_forbidden")
        except ProviderError as error:
            return _failed(error.code, text if error.sent else "")
        except TimeoutError:
            return _failed("timeout", text)
        return _read(raw, text) if reply.status == 200 else _failed(status_code_name(reply.status))


def _failed(error: str, asked: str = "") -> Embedding:
    """No embedding; `asked` is the text when the provider may have processed and billed it."""
    logger.warning("gateway semantic cache has no embedding error=%s", error)
    return Embedding(None, estimate(asked), estimated=bool(asked))


def _read(raw: bytes, text: str) -> Embedding:
    """What the provider answered."""
    try:
        answer = orjson.loads(raw)
        vector = unit(np.array(answer["data"][0]["embedding"], np.float32))
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        return _failed(type(error).__name__, text)
    usage = read_usage(answer.get("usage"))
    counted = usage.total if usage.prompt is None else usage.prompt
    return Embedding(vector, estimate(text), estimated=True) if counted is None else Embedding(vector, counted)


def unit(vector: Vector) -> Vector | None:
    """The vector scaled to length 1; None when its length is 0, or it is not a vector of numbers."""
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    return vector / np.float32(length) if np.isfinite(length) and length > 0 else None
