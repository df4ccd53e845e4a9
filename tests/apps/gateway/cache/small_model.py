"""A real embedding model that is small enough for tests: WordLlama, whose wheel holds its weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import wordllama
from wordllama.inference import WordLlamaInference

from apps.gateway.cache.embedding import Embedding, unit


@cache
def model() -> WordLlamaInference:
    """From the wheel's own folder; nothing is downloaded."""
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


class SmallModel:
    label = "wordllama"

    async def embed(self, text: str) -> Embedding:
        return Embedding(unit(np.asarray(model().embed(text)[0], np.float32)))
