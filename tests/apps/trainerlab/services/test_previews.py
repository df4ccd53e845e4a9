"""Previews of a scenario are deleted after a day, with all that was said and shown in them, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import post_message
from apps.simulation.models import Simulation, SimulationImage, SimulationMetadata
from apps.simulation.services.image_upload import read_picture
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.pictures import add_picture
from apps.trainerlab.services.previews import KEPT_FOR, forget_previews, start_preview
from apps.training.demo.cases import rash_picture
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.testing import drain
from tests.apps.people import person
from tests.apps.training.visits import begun, scenario_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LATER = KEPT_FOR + timedelta(hours=1)


@pytest.fixture
def author(db: None) -> User:
    return person(UserRole.INSTRUCTOR)


@pytest.fixture
def template(author: User) -> ScenarioTemplate:
    made = scenario_of(author)
    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    add_picture(made, read_picture(upload), "The forehead")
    return made


def test_a_preview_goes_after_a_day_with_its_conversation(author: User, template: ScenarioTemplate) -> None:
    played = begun(template, person())
    preview = start_preview(template, author)
    drain()
    post_message(preview.pk, author, "When did it begin?", "k1")
    drain()
    assert forget_previews() == 0
    assert forget_previews(database_now() + LATER) == 1
    assert list(Simulation.objects.all()) == [played]
    for model in (Message, SimulationImage, SimulationMetadata):
        assert set(model.objects.values_list("simulation", flat=True)) <= {played.pk}, model.__name__
    picture = template.images.get()
    assert picture.file.storage.exists(picture.file.name), "it belongs to the scenario"
    assert forget_previews(database_now() + LATER) == 0


def test_one_that_waits_for_an_answer_goes_when_it_is_there(author: User, template: ScenarioTemplate) -> None:
    preview = start_preview(template, author)
    assert forget_previews(database_now() + LATER) == 0
    preview.refresh_from_db()
    assert preview.has_ended, "nothing more can be asked"
    drain()
    assert forget_previews(database_now() + LATER) == 1
    assert not ServiceCallRecord.objects.filter(domain_persist_state=PersistState.DEAD).exists()
