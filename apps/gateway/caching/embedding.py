"""Vectors of texts: from the provider, or from an embedder without a model."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from apps.gateway.caching.sameness import Wording, words_of
from apps.gateway.sizes import LARGEST
from apps.gateway.tokens import estimate
from orchestration.errors import PaidRequestsForbidden, ProviderError
from orchestration.providers.relay import Relay, status_code_name

logger = logging.getLogger(__name__)

Vector = NDArray[np.float32]
DIMENSIONS = 256
LARGEST_ANSWER = 2_000_000
PATIENCE_SECONDS = 5.0
"""How long an answer may have to wait for its question's embedding: a cache should save time."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """What became of a text."""

    vector: Vector | None
    """None when there is none for this text, or none can be had now."""
    tokens: int = 0
    """That the provider took for it."""
    estimated: bool = False
    """The provider did not say how many."""


class Embedder(Protocol):
    """Turns a text into a vector of length 1."""

    label: str
    """Stored with each vector; others' vectors are not compared."""
    model: str
    """Which of the provider's models is asked; empty: nobody is."""

    async def embed(self, text: str) -> Embedding:
        """The text's vector, and what it took."""

    def may_be_same(self, one: Wording, other: Wording) -> bool:
        """Whether texts of these wordings, whose vectors are near each other, can mean the same."""


class HashingEmbedder:
    """Words and pairs of words, hashed (Weinberger et al., 2009). No model: it knows no synonyms.

    So it only finds a question again whose words that carry meaning are the same, in the same order.
    """

    label = f"hashing-{DIMENSIONS}"
    model = ""

    async def embed(self, text: str) -> Embedding:
        words = words_of(text)
        vector = np.zeros(DIMENSIONS, np.float32)
        for feature in (*words, *map(" ".join, pairwise(words))):
            digest = int.from_bytes(hashlib.blake2b(feature.encode(errors="replace"), digest_size=8).digest())
            vector[digest % DIMENSIONS] += 1.0 if digest >> 63 else -1.0
        return Embedding(unit(vector))

    def may_be_same(self, one: Wording, other: Wording) -> bool:
        return one == other


class ProviderEmbedder:
    """The provider's embeddings of `model`. A failure there is no failure of the request: it is a miss."""

    def __init__(self, relay: Relay, model: str) -> None:
        self.label = f"provider-{model}"[:128]
        self.model = model
        self._relay = relay

    async def embed(self, text: str) -> Embedding:
        body = orjson.dumps({"model": self.model, "input": text, "encoding_format": "float"})
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._relay.request("POST", "/embeddings", body) as reply:
                raw = await reply.read(LARGEST_ANSWER)
        except PaidRequestsForbidden:
            return _failed("paid_requests_forbidden")
        except ProviderError as error:
            return _failed(error.code, text if error.sent else "")
        except TimeoutError:
            return _failed("timeout", text)
        return _read(raw, text) if reply.status == 200 else _failed(status_code_name(reply.status))

    def may_be_same(self, one: Wording, other: Wording) -> bool:
        """The same words in another order are near each other, and mean something else."""
        return one.bag != other.bag or one.order == other.order


def _failed(error: str, asked: str = "") -> Embedding:
    """There is none; `asked` is the text when the provider may have worked on it, and been paid for that."""
    logger.warning("gateway semantic cache has no embedding error=%s", error)
    return Embedding(None, estimate(asked), estimated=bool(asked))


def _read(raw: bytes, text: str) -> Embedding:
    """What the provider answered."""
    try:
        answer = orjson.loads(raw)
        vector = unit(np.array(answer["data"][0]["embedding"], np.float32))
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        return _failed(type(error).__name__, text)
    usage = answer.get("usage")
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    if isinstance(told, int) and 0 <= told <= LARGEST:
        return Embedding(vector, told)
    return Embedding(vector, estimate(text), estimated=True)


def unit(vector: Vector) -> Vector | None:
    """The vector with length 1; None when it has no length, or is no vector of numbers."""
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    return vector / np.float32(length) if np.isfinite(length) and length > 0 else None
