"""Vectors of texts: from the provider, or from an embedder without a model."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from apps.gateway.caching.sameness import Wording, words_of
from orchestration.errors import ProviderError
from orchestration.providers.relay import Relay

Vector = NDArray[np.float32]
DIMENSIONS = 256
LARGEST_ANSWER = 2_000_000


class Embedder(Protocol):
    """Turns a text into a vector of length 1."""

    label: str
    """Stored with each vector; others' vectors are not compared."""

    async def embed(self, text: str) -> Vector | None:
        """None when there is none for this text, or none can be had now."""

    def may_be_same(self, one: Wording, other: Wording) -> bool:
        """Whether texts of these wordings, whose vectors are near each other, can mean the same."""


class HashingEmbedder:
    """Words and pairs of words, hashed (Weinberger et al., 2009). No model: it knows no synonyms.

    So it only finds a question again whose words that carry meaning are the same, in the same order.
    """

    label = f"hashing-{DIMENSIONS}"

    async def embed(self, text: str) -> Vector | None:
        words = words_of(text)
        if not words:
            return None
        vector = np.zeros(DIMENSIONS, np.float32)
        for feature in (*words, *map(" ".join, pairwise(words))):
            digest = int.from_bytes(hashlib.blake2b(feature.encode(errors="replace"), digest_size=8).digest())
            vector[digest % DIMENSIONS] += 1.0 if digest >> 63 else -1.0
        return unit(vector)

    def may_be_same(self, one: Wording, other: Wording) -> bool:
        return one == other


class ProviderEmbedder:
    """The provider's embeddings of `model`. A failure there is no failure of the request: it is a miss."""

    def __init__(self, relay: Relay, model: str) -> None:
        self.label = f"provider-{model}"[:128]
        self._relay = relay
        self._model = model

    async def embed(self, text: str) -> Vector | None:
        body = orjson.dumps({"model": self._model, "input": text, "encoding_format": "float"})
        try:
            async with self._relay.request("POST", "/embeddings", body) as reply:
                raw = await reply.read(LARGEST_ANSWER)
                answered = reply.status == 200
            return unit(np.array(orjson.loads(raw)["data"][0]["embedding"], np.float32)) if answered else None
        except (ProviderError, orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError):
            return None

    def may_be_same(self, one: Wording, other: Wording) -> bool:
        """The same words in another order are near each other, and mean something else."""
        return one.bag != other.bag or one.order == other.order


def unit(vector: Vector) -> Vector | None:
    """The vector with length 1; None when it has no length, or is no vector of numbers."""
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    return vector / np.float32(length) if np.isfinite(length) and length > 0 else None
