"""A worker that is behind has fewer calls at once, and all of them again when it has caught up."""

import pytest

from orchestration.engine import lag as lags
from orchestration.engine.lag import Lag, places


@pytest.mark.parametrize(
    ("lag", "expected"), [(0.0, 64), (0.25, 64), (0.5, 32), (1.0, 16), (2.0, 8), (60.0, 8), (1e9, 8)]
)
def test_places_shrink_in_proportion(lag, expected):
    assert places(64, lag) == expected


def test_one_place_is_always_left():
    assert places(1, 100.0) == 1


def test_lag_is_the_longest_seen_and_fades(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(lags.time, "monotonic", lambda: now[0])
    lag = Lag()
    lag.note(4.0)
    lag.note(1.0)
    assert lag.seconds == 4.0
    now[0] += 2 * lags.HALF_LIFE_SECONDS
    assert lag.seconds == 1.0
    lag.note(0.5)
    assert lag.seconds == 1.0
    now[0] += 100 * lags.HALF_LIFE_SECONDS
    assert lag.seconds < 0.001
