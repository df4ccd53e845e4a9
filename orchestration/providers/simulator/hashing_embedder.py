"""Embeddings without a model: words hashed into a vector, so that texts with the same words are near each other."""

from __future__ import annotations

import base64
import math
import re
import struct
from typing import Any

import orjson

from orchestration.errors import InvalidCall
from orchestration.providers.dialect import CHARACTERS_PER_TOKEN
from orchestration.types import JsonObject
from orchestration.values.feature_hashing import hashed_features

DIMENSIONS = 1536
MOST_DIMENSIONS = 8192


def hashed_vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The text's words as a vector of length 1; all zeros for a text without words."""
    vector = hashed_features(re.findall(r"\w+", text.lower()), dimensions)
    norm = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / norm for value in vector]


def embeddings_payload(raw: bytes) -> JsonObject:
    """The answer to `POST /embeddings`; InvalidCall when the body is not a valid request."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCall("The body is not JSON.") from None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise InvalidCall("The body must be an object with a `model`.")
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise InvalidCall("`input` must be a text or a list of texts.")
    dimensions = body.get("dimensions", DIMENSIONS)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise InvalidCall(f"`dimensions` must be a whole number from 1 to {MOST_DIMENSIONS}.")
    packed = body.get("encoding_format") == "base64"
    vectors = [_encoded(hashed_vector(text, dimensions), packed=packed) for text in texts]
    tokens = -(-sum(map(len, texts)) // CHARACTERS_PER_TOKEN)
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "simulated": True,
    }


def _encoded(vector: list[float], *, packed: bool) -> Any:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if packed else vector
