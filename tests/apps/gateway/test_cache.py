"""The cache of answers: what is the same question, whose it is, how long it lasts, and what is forgotten first."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.gateway.caching import (
    AnswerCache,
    Directives,
    Hit,
    Lookup,
    forget_owner,
    question_of,
    read_directives,
    save_answers,
)
from apps.gateway.caching import store as cache_store
from apps.gateway.caching.embedding import Embedding, HashingEmbedder, ProviderEmbedder
from apps.gateway.caching.sameness import guarded_by, words_of
from apps.gateway.models import CacheEntry, CacheMode
from orchestration.conf import ClientSettings
from orchestration.providers.relay import SimulatorRelay
from tests.apps.gateway.near_duplicates import DUPLICATES, NEAR_DUPLICATES, body_of

OWNER = "41"
pytestmark = pytest.mark.postgres


class BlindEmbedder:
    """To it every text is the same: what keeps questions apart then are the guards alone."""

    label = "blind"
    model = ""
    may_be_same = ProviderEmbedder.may_be_same

    async def embed(self, text: str) -> Embedding:
        return Embedding(np.array([1.0, 0.0], np.float32))


async def here(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits; without an event loop, it works in the test's own transaction."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


def answer_of(text: str = "Paris.", finish_reason: str | None = "stop") -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


class Asker:
    """Saves and looks up for an owner, as requests do."""

    def __init__(self, embedder: Any = None, mode: str = CacheMode.SEMANTIC) -> None:
        self.cache = AnswerCache(here, embedder or HashingEmbedder())
        self.mode = mode

    def lookup(self, body: dict[str, Any], owner: str, cache_control: str) -> Lookup:
        return Lookup(self.cache, question_of(owner, body), self.mode, read_directives(cache_control))

    def save(self, body: dict[str, Any], answer: bytes = b"", *, owner: str = OWNER, cache_control: str = "") -> bool:
        kept = done(self.lookup(body, owner, cache_control).to_keep(answer or answer_of()))
        if kept is not None:
            save_answers([kept])
        return kept is not None

    def find(self, body: dict[str, Any], *, owner: str = OWNER, cache_control: str = "") -> Hit | None:
        lookup = self.lookup(body, owner, cache_control)
        return done(lookup.exact()) or done(lookup.similar())


@pytest.fixture(autouse=True)
def unused(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(cache_store, "uses", cache_store.Uses())


def body(text: str = "What is the capital of France?", **parameters: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **parameters}


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


def test_none_is_even_when_the_embedding_sees_no_difference():
    asker = Asker(BlindEmbedder())
    false_hits = []
    for name, first, second in NEAR_DUPLICATES:
        if name.startswith("other subject"):
            continue  # what an embedding is for
        CacheEntry.objects.all().delete()
        asker.save(body_of(first), owner=first.get("owner", OWNER))
        if asker.find(body_of(second), owner=second.get("owner", OWNER)) is not None:
            false_hits.append(name)
    assert false_hits == []


@pytest.mark.parametrize(("first", "second"), DUPLICATES)
def test_the_same_question_in_another_dress_is_found(first, second):
    asker = Asker()
    asker.save(body(first))
    hit = asker.find(body(second))
    assert hit is not None
    assert hit.kind == "semantic"
    assert hit.similarity >= 0.95
    assert hit.answer == answer_of()
    assert Asker(mode=CacheMode.EXACT).find(body(second)) is None


def test_the_very_same_question_is_an_exact_hit():
    asker = Asker(mode=CacheMode.EXACT)
    assert asker.find(body()) is None
    assert asker.save(body())
    hit = asker.find(body())
    assert hit is not None
    assert (hit.kind, hit.answer, hit.similarity) == ("exact", answer_of(), 1.0)
    assert 0 <= hit.age <= 2


def test_what_does_not_change_the_answer_does_not_change_the_question():
    asker = Asker(mode=CacheMode.EXACT)
    asker.save(body(temperature=1))
    same = (
        body(temperature=1.0),
        body(temperature=1, stream=True, stream_options={"include_usage": True}),
        body(temperature=1, user="someone", metadata={"trace": "1"}, store=False),
        body(temperature=1, top_p=None),
        {**body(temperature=1), "messages": [{"content": body()["messages"][0]["content"], "role": "user"}]},
        {
            **body(temperature=1),
            "messages": [
                {"role": "user", "name": None, "content": [{"type": "text", "text": "What is the capital of France?"}]}
            ],
        },
    )
    assert [asker.find(each) is not None for each in same] == [True] * len(same)


PARAMETERS = {
    "temperature": 0.5, "top_p": 0.5, "n": 2, "seed": 1, "stop": ["x"], "max_tokens": 5, "max_completion_tokens": 6,
    "presence_penalty": 1, "frequency_penalty": 1, "logit_bias": {"1": 1}, "logprobs": True, "top_logprobs": 2,
    "response_format": {"type": "json_object"}, "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "none", "parallel_tool_calls": False, "reasoning_effort": "low", "service_tier": "flex",
    "modalities": ["text"], "a_field_of_tomorrow": 1, "model": "gpt-4o",
}  # fmt: skip


def test_every_parameter_that_changes_the_answer_changes_the_question():
    keys = {question_of(OWNER, body(**{name: value})).key for name, value in PARAMETERS.items()}
    assert len(keys) == len(PARAMETERS)
    assert question_of(OWNER, body()).key not in keys
    assert question_of(OWNER, body(temperature=0)).key != question_of(OWNER, body()).key
    assert question_of("42", body()).key != question_of(OWNER, body()).key


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3), lambda some: st.lists(some)
       | st.dictionaries(st.text(max_size=3), some), max_leaves=8))  # fmt: skip
def test_the_order_of_fields_makes_no_difference(value):
    one = {"model": "m", "messages": [{"role": "user", "content": "x"}], "extra": value, "seed": 1}
    other = dict(reversed(list(copy.deepcopy(one).items())))
    assert question_of(OWNER, one) == question_of(OWNER, other)


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_guards_can_be_made_of_any_text(text):
    again = f"  {text}  "
    assert guarded_by(again) == guarded_by(text)
    assert words_of(again) == words_of(text)


def test_only_the_last_message_of_a_user_has_other_wordings():
    last = {"role": "assistant", "content": "Yes?"}
    assert question_of(OWNER, {**body(), "messages": [*body()["messages"], last]}).scope == ""
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]}
    assert question_of(OWNER, {**body(), "messages": [picture]}).scope == ""
    assert question_of(OWNER, body("word " * 10_000)).scope == ""
    assert question_of(OWNER, body()).scope


def test_the_clients_cache_control_is_honoured():
    assert read_directives("") == Directives()
    assert read_directives("No-Cache") == Directives(read=False)
    assert read_directives("private, no-store") == Directives(read=False, store=False)
    assert read_directives("max-age=60") == Directives(max_age=60)
    assert read_directives("max-age=soon, whatever") == Directives()
    asker = Asker()
    assert not asker.save(body(), cache_control="no-store")
    assert asker.save(body(), cache_control="no-cache")
    assert asker.find(body(), cache_control="no-cache") is None
    assert asker.find(body(), cache_control="no-store") is None
    CacheEntry.objects.update(created_at=timezone.now() - timedelta(seconds=90))
    assert asker.find(body(), cache_control="max-age=60") is None
    assert asker.find(body(" what is the capital of France"), cache_control="max-age=60") is None
    found = asker.find(body(), cache_control="max-age=100")
    assert found is not None
    assert 90 <= found.age <= 92


@pytest.mark.parametrize(
    "answer",
    [
        answer_of(finish_reason=None),
        answer_of(finish_reason="content_filter"),
        b'{"choices": []}',
        b'{"error": {"message": "no"}}',
        b"[]",
        b"not json",
    ],
)
def test_only_whole_answers_are_kept(answer):
    assert not Asker().save(body(), answer)
    assert not CacheEntry.objects.exists()


def test_answers_expire(settings):
    settings.GATEWAY = {**settings.GATEWAY, "CACHE_TTL_SECONDS": 60.0}
    asker = Asker()
    asker.save(body())
    entry = CacheEntry.objects.get()
    assert (entry.expires_at - entry.created_at).total_seconds() == 60
    CacheEntry.objects.update(expires_at=timezone.now())
    assert asker.find(body()) is None
    assert asker.find(body("what is the capital of France")) is None
    asker.save(body(), answer_of("Paris, again."))
    assert CacheEntry.objects.count() == 1
    hit = asker.find(body())
    assert hit is not None
    assert hit.answer == answer_of("Paris, again.")


def test_the_least_recently_used_go_first_and_only_the_owners(settings):
    settings.GATEWAY = {**settings.GATEWAY, "CACHE_MAX_ENTRIES": 3}
    asker = Asker()
    asker.save(body("Of somebody else?"), owner="42")
    for name in ("first", "second", "third"):
        asker.save(body(f"{name} question?"))
    assert asker.find(body("first question?")) is not None
    asker.save(body("fourth question?"))
    kept = [name for name in ("first", "second", "third", "fourth") if asker.find(body(f"{name} question?"))]
    assert kept == ["first", "third", "fourth"]
    assert asker.find(body("Of somebody else?"), owner="42") is not None
    asker.save(body("fifth question?"))  # the finds above count as uses, in their order
    kept = [name for name in ("first", "third", "fourth", "fifth") if asker.find(body(f"{name} question?"))]
    assert kept == ["third", "fourth", "fifth"]
    assert CacheEntry.objects.get(key=question_of(OWNER, body("third question?")).key).hits == 1


def test_an_owner_forgets_what_is_its_own():
    asker = Asker()
    asker.save(body())
    asker.save(body(), owner="42")
    assert asker.find(body(), owner="43") is None
    assert forget_owner(OWNER) == 1
    assert asker.find(body()) is None
    assert asker.find(body(), owner="42") is not None


def test_answers_are_encrypted_and_unreadable_ones_are_misses(settings):
    asker = Asker()
    asker.save(body(), answer_of("planted-secret"))
    entry = CacheEntry.objects.get()
    stored = b"".join(bytes(value) for value in (entry.answer_enc, entry.embedding))
    assert b"planted-secret" not in stored
    assert b"capital" not in stored
    CacheEntry.objects.update(answer_enc=b"gAAAAA-damaged")
    assert asker.find(body()) is None
    asker.save(body())
    assert asker.find(body()) is not None


def test_a_hit_asks_the_database_once(django_assert_num_queries):
    asker = Asker()
    asker.save(body())
    with django_assert_num_queries(1):
        assert asker.find(body()) is not None
    with django_assert_num_queries(3):
        assert asker.find(body("what is the capital of France")) is not None


class FromProvider(ProviderEmbedder):
    """The provider's, in an event loop of its own."""

    async def embed(self, text: str) -> Embedding:
        return asyncio.run(super().embed(text))


def test_embeddings_of_the_provider_and_their_failure(caplog):
    relay = SimulatorRelay(ClientSettings(provider="simulator"))
    asker = Asker(FromProvider(relay, "text-embedding-3-small"))
    asker.save(body("Tell me about the rivers, the lakes and the mountains of France"))
    entry = CacheEntry.objects.get()
    assert entry.embedder == "provider-text-embedding-3-small"
    assert len(entry.embedding) == 1536 * 4
    hit = asker.find(body("Tell me about the rivers, the lakes and the mountains of france"))
    assert hit is not None
    assert 0.95 <= hit.similarity <= 1
    assert asker.find(body("Tell me about the mountains, the lakes and the rivers of France")) is None  # the same bag
    assert Asker().find(body("tell me about the rivers, the lakes and the mountains of France")) is None  # its vectors

    broken = FromProvider(relay, None)  # the provider refuses this with 400
    assert done(broken.embed("x")) == Embedding(None)
    assert "no embedding error=bad_request" in caplog.text
