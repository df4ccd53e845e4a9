"""The cache of answers: what is the same question, whose it is, how long it lasts, and what is forgotten first."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.gateway.cache import (
    forget_owner,
    question_of,
    read_directives,
)
from apps.gateway.cache import store as cache_store
from apps.gateway.cache.cache_control import Directives
from apps.gateway.cache.embedding import Embedding, ProviderEmbedder
from apps.gateway.cache.semantic_guard import meaning_of
from apps.gateway.cache.wording import is_code, words_of
from apps.gateway.models import CacheEntry, CacheMode
from orchestration.conf import ClientSettings
from orchestration.providers.passthrough import SimulatorPassthrough
from tests.apps.gateway.cache.asking import OWNER, Asker, BlindEmbedder, answer_of, body, done
from tests.apps.gateway.cache.small_model import SmallModel
from tests.apps.gateway.near_duplicates import DUPLICATES

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def unused(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(cache_store, "uses", cache_store.Uses())


@pytest.mark.parametrize(("first", "second"), DUPLICATES)
def test_the_same_question_in_another_dress_is_found(first, second):
    asker = Asker()
    asker.save(body(first))
    hit = asker.find(body(second))
    assert hit is not None
    assert hit.kind == "semantic"
    assert hit.similarity == 1
    assert hit.answer == answer_of()
    assert Asker(mode=CacheMode.EXACT).find(body(second)) is None


SAME_WORDING = [
    ("What is the capital of France?", "WHAT IS THE CAPITAL OF FRANCE"),
    ("What is the capital of France?", "What is the\u00a0capital of\u202fFrance ?"),
    ("What is the capital of France?", "What\u2019s the capital of France??"),
    ("What is the capital of France?", "\uff37hat is the capital of France\uff1f"),
    ("How good is the caf\u00e9?", "How good is the cafe\u0301?"),
    ("How do I file it?", "How do I \ufb01le it\u2026"),
    ("Is 5 mg enough", "Is 5\u2009mg enough?"),
    ('Explain "well-being".', "Explain \u201cwell\u2011being\u201d"),
    ("Please tell me how it works in Rome", "How it works in Rome."),
]
OTHER_WORDING = [
    ("What is `foo` ?", "What is `Foo` ?"),
    ("What is foo_bar?", "What is Foo_bar?"),
    ("Run `a  b`", "Run `a b`"),
    ("Run:\n    x", "Run:\n  x"),
    ("What does 'Map' do?", "What does 'map' do?"),
    ("What is a String in Java?", "What is a string in Java?"),
    ("What is 10\u00b2?", "What is 102?"),
    ("Is it \u00bd?", "Is it 12?"),
    ("How many blanks has 'a  b c'?", "How many blanks has 'a b  c'?"),
    ("Are a few enough?", "Are few enough?"),
]


@pytest.mark.parametrize(("first", "second"), SAME_WORDING)
def test_the_same_wording_is_found_without_an_embedding(first, second):
    assert question_of(OWNER, body(first)).key != question_of(OWNER, body(second)).key
    assert Asker().save(body(first))
    assert Asker().find(body(second)) is not None


@pytest.mark.parametrize(("first", "second"), OTHER_WORDING)
def test_code_quotations_and_superscripts_count_as_written(first, second):
    asker = Asker(BlindEmbedder())
    assert asker.save(body(first))
    assert asker.find(body(second)) is None


def test_long_questions_are_compared_by_their_wording_alone(settings):
    long = "Summarize what the minutes say about the rivers, the lakes and the mountains of France" + " and more" * 20
    asker = Asker(BlindEmbedder())
    assert asker.save(body(f"{long}. Which are the biggest?"))
    assert asker.find(body(f"{long}. Which are the largest?")) is None
    assert asker.find(body(f"{long}. which are the biggest")) is not None
    settings.GATEWAY = {**settings.GATEWAY, "SEMANTIC_MAX_CHARACTERS": 2000}
    assert asker.save(body(f"{long}. Which are the biggest?"))
    assert asker.find(body(f"{long}. Which are the largest?")) is not None


def test_the_very_same_question_is_an_exact_hit():
    asker = Asker(mode=CacheMode.EXACT)
    assert asker.find(body()) is None
    assert asker.save(body())
    hit = asker.find(body())
    assert hit is not None
    assert (hit.kind, hit.answer, hit.similarity) == ("exact", answer_of(), 1.0)
    assert 0 <= hit.age <= 2


def test_parameters_that_do_not_matter_keep_the_cache_key():
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


def test_every_parameter_that_matters_changes_the_cache_key():
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
def test_a_wording_can_be_made_of_any_text(text):
    again = f"  {text}  "
    assert is_code(text) or words_of(again) == words_of(text)
    assert meaning_of(again) == meaning_of(text)


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
    assert read_directives('max-age="0060"') == Directives(max_age=60)
    assert read_directives("max-age=0") == Directives(max_age=0)
    assert read_directives("max-age=soon, whatever") == Directives()
    assert read_directives(f"max-age={'9' * 5000}") == Directives()
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


def test_half_a_surrogate_pair_is_kept_as_it_came():
    question, answer = body("What is \ud83d?"), answer_of("Half of \ud83d.")
    asker = Asker(FromProvider(SimulatorPassthrough(ClientSettings(provider="simulator")), "text-embedding-3-small"))
    assert asker.save(question, answer)
    hit = asker.find(question)
    assert hit is not None
    assert hit.answer == answer


def test_answers_expire(settings):
    settings.GATEWAY = {**settings.GATEWAY, "CACHE_TTL_SECONDS": 60.0}
    asker = Asker()
    asker.save(body())
    entry = CacheEntry.objects.get()
    assert (entry.expires_at - entry.created_at).total_seconds() == 60
    CacheEntry.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
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
    assert b"planted-secret" not in bytes(entry.answer_enc)
    assert "capital" not in entry.wording
    CacheEntry.objects.update(answer_enc=b"gAAAAA-damaged")
    assert asker.find(body()) is None
    asker.save(body())
    assert asker.find(body()) is not None


def test_a_hit_asks_the_database_once(django_assert_num_queries):
    asker = Asker()
    asker.save(body())
    with django_assert_num_queries(1):
        assert asker.find(body()) is not None
    with django_assert_num_queries(2):
        assert asker.find(body("what is the capital of France")) is not None


class FromProvider(ProviderEmbedder):
    """The provider's, in an event loop of its own."""

    async def embed(self, text: str) -> Embedding:
        return asyncio.run(super().embed(text))


def test_embeddings_of_the_provider_and_their_failure(caplog):
    provider = SimulatorPassthrough(ClientSettings(provider="simulator"))
    asker = Asker(FromProvider(provider, "text-embedding-3-small"))
    asker.save(body("Tell me about the rivers, the lakes and the mountains of France"))
    entry = CacheEntry.objects.get()
    assert entry.embedder == "provider-text-embedding-3-small"
    assert len(entry.embedding) == 1536 * 4
    paraphrase = "What can you tell me about the rivers, the lakes and the mountains of France?"
    hit = asker.find(body(paraphrase))
    assert hit is not None
    assert 0.7 <= hit.similarity < 1
    assert asker.find(body("Tell me about the mountains, the lakes and the rivers of France")) is None  # the same bag
    assert Asker(SmallModel()).find(body(paraphrase)) is None  # its vectors are others

    broken = FromProvider(provider, None)  # the provider refuses this with 400
    assert done(broken.embed("x")) == Embedding(None)
    assert "no embedding error=bad_request" in caplog.text
