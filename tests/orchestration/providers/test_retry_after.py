"""How long a provider asks us to wait, in every form it may say so, and how long we do."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from orchestration.errors import ProviderError
from orchestration.providers.retry_after import LONGEST, granted, note_if_capped, retry_after, seconds_of


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": " 3 "}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-4"}, 0.0),
        ({"Retry-After": "1e300"}, LONGEST),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "1_000"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST),
        ({"Retry-After": "9999-12-31T23:59:59-23:59"}, LONGEST),
        ({"Retry-After": "0001-01-01T00:00:00+23:59"}, 0.0),
        ({"Retry-After": "6m0s"}, 360.0),
        ({"Retry-After": "2, 120"}, 120.0),
        ({"Retry-After": "2, soon"}, None),
        ({"Retry-After-Ms": "1500"}, 1.5),
        ({"Retry-After-Ms": "1500", "Retry-After": "2"}, 1.5),
        ({"Retry-After-Ms": "x", "Retry-After": "2"}, 2.0),
        ({"Retry-After-Ms": "-1", "Retry-After": "2"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx2.Headers(headers)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("1.5s", 1.5),
        ("120ms", 0.12),
        ("1d2h3m4s", 93_784.0),
        ("1h30m", 5400.0),
        ("30", 30.0),
        ("0", 0.0),
        ("-1s", None),
        ("1.s", None),
        ("s", None),
        ("9" * 99 + "s", LONGEST),
        ("\N{ARABIC-INDIC DIGIT THREE}s", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "written",
    [
        lambda moment: format_datetime(moment, usegmt=True),
        lambda moment: moment.strftime("%a %b %e %H:%M:%S %Y"),
        lambda moment: moment.isoformat(),
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda moment: f"{moment.timestamp():.0f}",
        lambda moment: f"{moment.timestamp():.3f}",
        lambda moment: f"{moment.timestamp() * 1000:.0f}",
    ],
    ids=["http", "asctime", "iso", "z", "seconds", "fraction", "milliseconds"],
)
def test_a_moment_counts_from_now(written: Callable[[datetime], str]) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=5)
    seconds = seconds_of(written(moment))
    assert seconds is not None
    assert (moment - datetime.now(UTC)).total_seconds() - 1 < seconds <= 301


def test_a_moment_that_has_passed_means_no_wait() -> None:
    assert seconds_of(f"{(datetime.now(UTC) - timedelta(days=9)).timestamp() * 1000:.0f}") == 0.0


@given(st.text(max_size=40) | st.floats().map(str) | st.datetimes().map(str) | st.integers().map(str))
def test_any_text_is_a_span_or_nothing(text: str) -> None:
    seconds = seconds_of(text)
    assert seconds is None or 0 <= seconds <= LONGEST


@pytest.mark.parametrize(
    ("asked", "given_seconds"),
    [(None, None), (math.nan, None), (-1.0, 0.0), (30.0, 30.0), (600.0, 600.0), (86_400.0, 600.0), (math.inf, 600.0)],
)
def test_what_is_granted(asked: float | None, given_seconds: float | None) -> None:
    assert granted(asked) == given_seconds


def test_the_cap_is_a_setting_and_is_reported(settings: Settings) -> None:
    assert note_if_capped(600) == ""
    assert note_if_capped(86_400) == "The provider asked to wait 86,400 s, capped at 600 s."
    settings.ORCHESTRAI = {"RETRY_AFTER_CAP_SECONDS": 30}
    assert note_if_capped(31) == "The provider asked to wait 31 s, capped at 30 s."
    assert granted(31) == 30


@pytest.mark.parametrize("asked", [math.nan, math.inf, -math.inf])
def test_an_error_holds_no_wait_that_is_not_a_number(asked: float) -> None:
    assert ProviderError("x", retry_after=asked).retry_after is None
