"""How pages say moments, costs and ids."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from orchestration.models import ModelPrice
from orchestration.theme.words import (
    NOTHING,
    ago,
    copyable,
    currency,
    exact,
    forget_currency,
    id_cell,
    moment,
    money,
    rounded_money,
    short_id,
)

NOW = datetime(2026, 11, 29, 18, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(0), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=3, seconds=59), "3 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=31), "2026-10-29"),
        (timedelta(seconds=-40), "in 40 s"),
        (timedelta(hours=-2), "in 2 h"),
    ],
)
def test_a_moment_is_said_by_how_long_ago_it_was(away, said):
    assert ago(NOW - away, NOW) == said


def test_the_exact_time_is_the_readers_and_names_the_zone():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert exact(NOW) == "2026-11-29 19:03:12 CET"
        assert 'title="2026-11-29 19:03:12 CET"' in moment(NOW)
        assert f'datetime="{NOW.isoformat()}"' in moment(NOW)


def test_what_is_not_a_moment_is_said():
    assert moment(None) == "\N{EN DASH}"
    assert moment(datetime.max.replace(tzinfo=UTC)) == "unreadable"


@pytest.mark.django_db
def test_a_cost_has_the_currency_of_the_prices():
    forget_currency()
    assert money(Decimal("1.50")) == "1.5"
    for name in ("EUR", "USD", "EUR"):
        ModelPrice.objects.create(
            provider="p", model=f"m{ModelPrice.objects.count()}", currency=name,
            input_per_million=1, cached_input_per_million=1, output_per_million=1,
        )  # fmt: skip
    assert money(Decimal("1.50")) == "1.5", "as it was a moment ago"
    forget_currency()
    assert (money(Decimal("1.50")), currency()) == ("1.5 EUR/USD", "EUR/USD")
    forget_currency()


@pytest.mark.django_db
def test_a_cost_in_a_column_has_three_digits():
    whole = Decimal("0.00012994")
    assert (
        rounded_money(whole) == f'<span class="orca-nowrap" title="{money(whole)}">{money(Decimal("0.00013"))}</span>'
    )
    assert rounded_money(None) == NOTHING


def test_an_id_is_short_to_read_and_copied_whole():
    key = "019ab3de-0000-7000-8000-00001234abcd"
    assert short_id(key) == "…1234abcd"
    assert f'data-copy="{key}"' in copyable(key, short_id(key))
    assert ">…1234abcd<" in copyable(key, short_id(key))
    assert id_cell(key) == f'<span class="orca-nowrap" title="{key}" data-id="{key}">…1234abcd</span>'
