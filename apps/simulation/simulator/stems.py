"""Roots of words, so that forms of the same word are alike: `sweating`, `sweats`, `sweaty`."""

from __future__ import annotations

from functools import lru_cache

from apps.simulation.clinical.words import stem

ENDINGS = ("ing", "ed", "y", "ic")


@lru_cache(maxsize=4096)
def root(word: str) -> str:
    """A folded word without its ending."""
    short = stem(word)
    for ending in ENDINGS:
        if len(short) > len(ending) + 3 and short.endswith(ending):
            return short.removesuffix(ending)
    return short
