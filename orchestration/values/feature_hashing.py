"""Feature hashing (Weinberger et al., 2009): a text's words as a vector, without a model or a vocabulary."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hashed_features(features: Iterable[str], dimensions: int) -> list[float]:
    """Adds 1 or -1 for each feature at the place that its hash gives; texts with the same words get near vectors."""
    vector = [0.0] * dimensions
    for feature in features:
        digest = int.from_bytes(hashlib.blake2b(feature.encode(errors="replace"), digest_size=8).digest())
        vector[digest % dimensions] += 1.0 if digest >> 63 else -1.0
    return vector
