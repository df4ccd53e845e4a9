"""Compression: reversible rules are reversed, protected spans stay as they are, and tokens are saved."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.gateway.compression import Level, compress, compress_request, expand
from apps.gateway.compression.compressor import LONGEST, protected, shortened, tidy
from apps.gateway.compression.rules import ABBREVIATIONS, SYMBOLS
from apps.gateway.metering import token_count as tokens
from tests.apps.gateway.encodings import forget_encodings

MODEL = "gpt-4o-mini"
KEPT = (
    "```python\nx  =  [1,  2]   \n\n\n\n# machine learning\n```",
    "    indented  code as soon as possible",
    "`machine  learning`",
    '"as soon as possible  said"',
    "“user  interface”",
    "> quoted  as soon as possible",
    '{"machine learning":  [1,  2, {"a": "as soon as possible"}]}',
    "[as soon as  possible](https://example.com/machine%20learning?a=1&b=2)",
    "https://example.com/as-soon-as-possible/machine_learning",
    "alice.smith@example.com",
    "1,234,567.89",
    "-40",
    "$1,000.00",
    "C:\\machine\\learning",
    "/usr/local/machine learning",
    "<user interface='machine learning'>",
    "$$ x  is equal to  y $$",
)
WORDS = st.sampled_from(
    [
        *(rule.phrase for rule in (*ABBREVIATIONS[::4], *SYMBOLS)),
        *(rule.short for rule in (*ABBREVIATIONS[::4], *SYMBOLS)),
        *KEPT,
        *("the", "results", "don't", "'quoted", "`", "```", '"', "{", "]", ">", "friend", "over-machine learning"),
        *(" ", "  ", "\n", "\n\n\n\n", " \n", "\t", "    ", "\r\n"),
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=30).map(" ".join), st.lists(WORDS).map("".join))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.sampled_from([Level.MEDIUM, Level.HIGH]))
def test_what_the_rules_did_can_be_taken_back(text, level):
    short, used = shortened(text, level)
    assert expand(short, used) == tidy(text)
    assert protected(short) == protected(text)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_tidying_changes_only_white_space_and_only_once(text):
    tidied = tidy(text)
    assert tidied.split() == text.split()
    assert protected(tidied) == protected(text)
    assert tidy(tidied) == tidied
    assert len(tidied) <= len(text)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(Level))
def test_no_text_costs_more_than_before(text, level):
    done = compress(text, level, MODEL)
    assert done.after == tokens.count(done.text, MODEL).tokens <= done.before == tokens.count(text, MODEL).tokens
    if done.saved == 0:
        assert done.text is text
        assert done.level is Level.OFF


@pytest.mark.parametrize("kept", KEPT)
def test_code_quotations_numbers_addresses_and_json_are_kept(kept):
    text = f"Please  look at\n\n\n\n{kept}\n\n\n\nas soon as possible,  for example with machine learning  tools."
    short, used = shortened(text, Level.HIGH)
    assert kept in short
    assert "ASAP, eg with ML tools" in short
    assert expand(short, used) == tidy(text)


def test_a_phrase_stays_where_its_short_form_occurs_already():
    text = "Is ML the same as machine learning? Answer as soon as possible."
    short, used = shortened(text, Level.MEDIUM)
    assert short == "Is ML the same as machine learning? Answer ASAP."
    assert [rule.short for rule in used] == ["ASAP"]


def test_every_rule_saves_a_token_in_both_tokenizers(tokenizer):
    """Each rule stands for one phrase."""
    rules = (*ABBREVIATIONS, *SYMBOLS)
    for model in ("gpt-4o", "gpt-4"):
        for rule in rules:
            before, after = (tokens.count(f"When {word} it", model) for word in (rule.phrase, rule.short))
            assert after.tokens < before.tokens, (model, rule)
            assert not before.estimated
    assert len({rule.short for rule in rules}) == len({rule.phrase for rule in rules}) == len(rules)


def test_real_tokens_are_counted_and_the_estimate_is_near(tokenizer):
    assert tokens.count("hello world", "gpt-4o") == tokens.TokenCount(2, estimated=False)
    assert tokens.count("hello world", "gpt-4") == tokens.TokenCount(2, estimated=False)
    assert tokens.count("hello world", "of-some-other-maker") == tokens.TokenCount(2, estimated=False)
    text = (Path(__file__).resolve().parents[4] / "README.md").read_text()
    assert 0.8 < tokens.estimate(text) / tokens.count(text).tokens < 1.25


def test_blanks_without_end_do_not_overflow_the_tokenizers_stack(tokenizer):
    assert 0 < tokens.count(" " * 1_000_000).tokens < 100_000
    assert tokens.count("\ud800 half a pair").tokens > 3


def test_without_data_tokens_are_estimated_and_say_so(no_tokenizer):
    count = tokens.count("Where is the machine learning book?", MODEL)
    assert count == tokens.TokenCount(7, estimated=True)
    assert compress("as soon as possible " * 20, Level.MEDIUM, MODEL).estimated


def test_damaged_data_does_not_start_a_download(no_tokenizer, tokenizer, monkeypatch):
    (no_tokenizer / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(b"IQ== 0\n")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(no_tokenizer))
    forget_encodings()
    assert tokens.count("hello", MODEL).estimated
    forget_encodings()


def test_only_what_people_and_operators_wrote_is_compressed():
    text = "Do it as soon as possible, for example with machine learning."
    messages = [
        {"role": "system", "content": text},
        {"role": "user", "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": text, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": text, "tool_call_id": "1"},
        {"role": "user", "content": None},
        "no message at all",
    ]
    before = json.dumps(messages)
    done = compress_request(messages, Level.HIGH, MODEL)
    assert json.dumps(messages) == before
    short = "Do it ASAP, eg with ML."
    assert [done.messages[0]["content"], done.messages[1]["content"][0]["text"]] == [short, short]
    assert done.messages[1]["content"][1] == messages[1]["content"][1]
    assert done.messages[2:] == messages[2:]
    assert done.tokens_saved > 0


def test_off_and_nothing_to_save_leave_the_very_messages():
    messages = [{"role": "user", "content": "Hi."}]
    assert compress_request(messages, Level.OFF, MODEL).messages is messages
    assert compress_request(messages, Level.HIGH, MODEL).messages is messages
    endless = "as soon as possible " * (LONGEST // 20 + 1)
    assert compress(endless, Level.HIGH, MODEL).text is endless


def report(*arguments: str) -> str:
    out = StringIO()
    call_command("compression_report", *arguments, stdout=out)
    return out.getvalue()


def test_the_report_says_what_a_corpus_saves(tmp_path, tokenizer):
    lines = [
        json.dumps("Write it as soon as possible, please."),
        json.dumps(
            {"messages": [{"role": "user", "content": "machine learning"}, {"role": "assistant", "content": "x"}]}
        ),
        json.dumps({"prompt": "Nothing to save."}),
    ]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    (tmp_path / "plain.txt").write_text("The user interface   leads to success.\n")
    (tmp_path / "picture.png").write_bytes(b"\xff")
    levels = {each["level"]: each for each in json.loads(report(str(tmp_path), "--json"))}
    assert [levels[level]["texts"] for level in ("low", "medium", "high")] == [4, 4, 4]
    saved = [levels[level]["tokens_saved"] for level in ("low", "medium", "high")]
    assert saved == [1, 6, 7]
    assert levels["high"]["rules"] == {
        "as soon as possible": 1,
        "machine learning": 1,
        "user interface": 1,
        "leads to": 1,
    }
    assert not levels["high"]["estimated"]
    told = report(str(tmp_path))
    assert "4 texts" in told
    assert "(counted)" in told
    assert "hardly worth" not in told
    (tmp_path / "dull.txt").write_text("Nothing here is worth a word. " * 40)
    assert "saves 0.00 %: it is hardly worth turning on" in report(str(tmp_path / "dull.txt"))


def test_the_report_marks_estimates_and_names_unreadable_input(tmp_path, no_tokenizer):
    corpus = tmp_path / "one.jsonl"
    corpus.write_text('"as soon as possible"\n')
    assert "ESTIMATED" in report(str(corpus))
    corpus.write_text('"fine"\n{"neither": 1}\n')
    with pytest.raises(CommandError, match=r"one\.jsonl:2 is not a text"):
        report(str(corpus))
    with pytest.raises(CommandError, match="does not exist"):
        report(str(tmp_path / "nowhere"))
