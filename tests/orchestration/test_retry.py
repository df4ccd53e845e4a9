import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import CallError, ProviderError
from orchestration.retry import RetryPolicy

RETRYABLE = ProviderError(retryable=True)


@given(failures=st.integers(1, 9), initial=st.floats(0.1, 60), multiplier=st.floats(1, 10))
def test_a_delay_stays_between_zero_and_the_capped_ceiling(failures, initial, multiplier):
    policy = RetryPolicy(max_attempts=10, initial=initial, multiplier=multiplier, cap=60)
    delay = policy.decide(RETRYABLE, failures)
    assert delay is not None
    assert 0 <= delay <= min(initial * multiplier ** (failures - 1), 60)


def test_retry_after_wins_over_the_backoff():
    assert RetryPolicy().decide(RETRYABLE, 1, retry_after=17.5) == 17.5


def test_a_retry_after_in_the_past_means_at_once():
    assert RetryPolicy().decide(RETRYABLE, 1, retry_after=-3) == 0


def test_the_last_allowed_failure_gives_up():
    policy = RetryPolicy(max_attempts=3)
    assert policy.decide(RETRYABLE, 2) is not None
    assert policy.decide(RETRYABLE, 3) is None
    assert policy.decide(RETRYABLE, 3, retry_after=1) is None


def test_an_error_that_is_not_retryable_gives_up_at_once():
    assert RetryPolicy().decide(CallError(), 1) is None


@pytest.mark.parametrize(
    "field, value",
    [
        ("max_attempts", 0),
        ("max_attempts", 11),
        ("initial", 0.05),
        ("initial", 61),
        ("multiplier", 0.9),
        ("multiplier", 11),
    ],
)
def test_a_policy_outside_its_ranges_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        RetryPolicy(**{field: value})


def test_a_cap_below_the_first_delay_is_refused():
    with pytest.raises(ValueError, match="cap"):
        RetryPolicy(initial=5, cap=2)
