"""The settings of persistence."""

import pytest

from orchestration.errors import NotConfigured
from persistence.conf import PersistenceSettings, persistence_settings


def test_the_defaults_are_the_documented_ones():
    assert PersistenceSettings().DOMAIN_PERSIST_MAX_ATTEMPTS == 10
    assert PersistenceSettings().DOMAIN_PERSIST_BATCH_SIZE == 500


def test_keys_of_the_engine_are_none_of_our_business(settings):
    settings.ORCHESTRAI = {"CONCURRENCY": 3, "DOMAIN_PERSIST_BATCH_SIZE": 7}
    assert persistence_settings().DOMAIN_PERSIST_BATCH_SIZE == 7


def test_an_unknown_key_says_which_it_is(settings):
    settings.ORCHESTRAI = {"DOMAIN_PERSIST_BATCH": 7}
    with pytest.raises(NotConfigured, match=r"settings\.ORCHESTRAI: DOMAIN_PERSIST_BATCH: Extra inputs"):
        persistence_settings()


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (10_000, 600)])
def test_the_backoff_doubles_up_to_its_cap(failures, seconds):
    assert PersistenceSettings().backoff(failures) == seconds
