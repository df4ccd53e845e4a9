"""Pairs of questions: which the cache must keep apart, and which it should take for the same."""

from __future__ import annotations

import pytest

from apps.gateway.cache import store as cache_store
from apps.gateway.models import CacheEntry
from tests.apps.gateway.cache.asking import OWNER, Asker, BlindEmbedder, body, is_hit
from tests.apps.gateway.cache.double_meanings import DOUBLE_MEANINGS, MORE_PARAPHRASES
from tests.apps.gateway.cache.held_pairs import DIFFERENT, LONG, PARAPHRASES
from tests.apps.gateway.cache.small_model import SmallModel
from tests.apps.gateway.near_duplicates import NEAR_DUPLICATES, body_of

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def unused(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(cache_store, "uses", cache_store.Uses())


def test_there_are_sixty_pairs_and_more():
    assert len(NEAR_DUPLICATES) >= 60
    assert len({repr(pair) for pair in NEAR_DUPLICATES}) == len(NEAR_DUPLICATES)


def test_no_near_duplicate_is_taken_for_the_same_question():
    asker = Asker()
    false_hits = []
    for name, first, second in NEAR_DUPLICATES:
        CacheEntry.objects.all().delete()
        assert asker.save(body_of(first), owner=first.get("owner", OWNER))
        assert asker.find(body_of(first), owner=first.get("owner", OWNER)) is not None, name
        if asker.find(body_of(second), owner=second.get("owner", OWNER)) is not None:
            false_hits.append(name)
    assert false_hits == []


@pytest.mark.parametrize("embedder", [SmallModel, BlindEmbedder])
def test_no_pair_of_four_domains_is_taken_for_the_same(embedder):
    """Not even by an embedding to which all texts are the same."""
    assert [len(pairs) for pairs in DIFFERENT.values()][:4] == [50] * 4
    asker = Asker(embedder())
    pairs = [*(pair for pairs in DIFFERENT.values() for pair in pairs), *LONG]
    assert len(set(pairs)) == len(pairs)
    for first, _ in pairs:
        asker.save(body(first))
    seconds = {second for _, second in pairs} - {first for first, _ in pairs}
    assert [second for second in seconds if asker.find(body(second)) is not None] == []


@pytest.mark.parametrize("embedder", [SmallModel, BlindEmbedder])
def test_no_word_is_taken_in_its_other_meaning(embedder):
    asker = Asker(embedder())
    assert len(DOUBLE_MEANINGS) >= 90
    assert [pair for pair in DOUBLE_MEANINGS if is_hit(asker, *pair)] == []


@pytest.mark.parametrize("pairs", [PARAPHRASES, MORE_PARAPHRASES], ids=["held", "more"])
def test_fair_paraphrases_are_found(pairs):
    asker = Asker(SmallModel())
    found = [pair for pair in pairs if is_hit(asker, *pair)]
    assert len(pairs) >= 15
    assert len(found) >= 8, found


def test_none_is_even_when_the_embedding_sees_no_difference():
    asker = Asker(BlindEmbedder())
    false_hits = []
    for name, first, second in NEAR_DUPLICATES:
        CacheEntry.objects.all().delete()
        asker.save(body_of(first), owner=first.get("owner", OWNER))
        if asker.find(body_of(second), owner=second.get("owner", OWNER)) is not None:
            false_hits.append(name)
    assert false_hits == []
