"""A transaction that is taken back leaves no content type behind in the memory of its process."""

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from persistence.models import PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.reprocessing.dry_run_check import apply_if_as_shown
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from persistence.tracking.content_types import make_missing
from tests.persistence.results import note
from tests.seedapp.models import Simulation, Tally

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

BETWEEN = Simulation.tallies.through


def tallying(handler, response):
    simulation = Simulation.objects.create(sim_patient_full_name="Ada")
    tally, _ = Tally.objects.get_or_create(key="one")
    simulation.tallies.add(tally)


def failing(handler, response):
    tallying(handler, response)
    ContentType.objects.get_for_model(BETWEEN)
    raise ValueError


@pytest.fixture(autouse=True)
def unknown_type():
    """As after an upgrade that did not migrate: nobody has used the table between the two models."""
    ContentType.objects.filter(app_label="seedapp", model=BETWEEN._meta.model_name).delete()
    ContentType.objects.clear_cache()


def refused(record):
    apply_if_as_shown(lambda: reprocess(record.pk), {})


def in_a_savepoint(record):
    with transaction.atomic():
        try:
            with transaction.atomic():
                ContentType.objects.get_for_model(BETWEEN)
                raise ValueError
        except ValueError:
            pass


@pytest.mark.parametrize(
    "taken_back",
    [
        lambda record: dry_run(record.pk),
        lambda record: persist(note(failing)),
        lambda record: reprocess(note(failing).pk),
        refused,
        in_a_savepoint,
    ],
    ids=["dry run", "failed drain", "failed reprocess", "not agreed", "savepoint"],
)
def test_after_a_rollback_the_type_is_found_or_made_again(taken_back):
    record = note(tallying)
    taken_back(record)
    if connection.vendor == "sqlite":  # it gives the number again
        ContentType.objects.create(app_label="somebody", model="else")
    assert persist(record) is Outcome.PERSISTED
    kinds = {row.content_type.model_class() for row in PersistedObject.objects.select_related("content_type")}
    assert kinds == {Simulation, Tally, BETWEEN}
    assert ContentType.objects.get_for_model(BETWEEN) == ContentType.objects.get(model=BETWEEN._meta.model_name)


def test_dry_runs_recreate_and_revert_work_after_one_another():
    record = note(tallying)
    for run in (dry_run, reprocess, dry_run):
        assert run(record.pk).outcome in {ReprocessOutcome.PERSISTED, ReprocessOutcome.KEPT}
    assert dry_run(record.pk, Policy.RECREATE).outcome in {ReprocessOutcome.UNCHANGED, ReprocessOutcome.RECREATED}
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not BETWEEN.objects.exists()


def test_a_migration_makes_the_types_of_tables_between_models():
    make_missing(app_config=apps.get_app_config("seedapp"), using="default")
    make_missing(app_config=apps.get_app_config("seedapp"), using="default")
    assert ContentType.objects.filter(app_label="seedapp", model=BETWEEN._meta.model_name).count() == 1


def test_a_committed_type_stays_known(django_assert_num_queries):
    kind = ContentType.objects.get_for_model(BETWEEN)
    with django_assert_num_queries(0):
        assert ContentType.objects.get_for_model(BETWEEN) == kind
