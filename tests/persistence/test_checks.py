"""Each system check, when it must speak and when it must not."""

import pytest
from django.contrib.auth.models import Group

from orchestration.components import Approval, registry
from orchestration.components.alignment import wire
from orchestration.components.registry import services
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import schema, service
from orchestration.services import DjangoBaseService
from persistence.checks import (
    check_approvals,
    check_handler_beside_codec,
    check_handler_schemas,
    check_keys,
    check_settings,
    check_who_is_asked,
)
from persistence.handlers.base import BasePersistenceHandler, persistence_handler
from persistence.handlers.codecs import DjangoBaseCodec, codec
from tests.seedapp.models import Document


def test_the_settings_of_this_project_are_right():
    assert check_settings(None) == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("DOMAIN_PERSIST_MAX_ATEMPTS", 3, "DOMAIN_PERSIST_MAX_ATEMPTS: Extra inputs are not permitted"),
        ("DOMAIN_PERSIST_MAX_ATTEMPTS", 0, "DOMAIN_PERSIST_MAX_ATTEMPTS: Input should be greater"),
        ("DOMAIN_PERSIST_BATCH_SIZE", "many", "DOMAIN_PERSIST_BATCH_SIZE: Input should be a valid integer"),
        ("DOMAIN_PERSIST_BACKOFF_CAP_SECONDS", 1, "must not be below DOMAIN_PERSIST_BACKOFF_INITIAL_SECONDS"),
    ],
)
def test_a_wrong_key_or_value_is_an_error_with_a_hint(settings, key, value, told):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, key: value}
    (message,) = check_settings(None)
    assert message.id == "persistence.E001"
    assert message.is_serious()
    assert told in message.msg
    assert "DOMAIN_PERSIST_BATCH_SIZE" in message.hint


def test_a_kind_of_content_that_does_not_exist_is_an_error(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_RETENTION_DAYS": {"calls": 30, "everything": 1}}
    (message,) = check_settings(None)
    assert message.id == "persistence.E003"
    assert "names everything," in message.msg
    assert "calls" in message.hint


def test_settings_that_are_no_dict_are_left_to_the_engines_check(settings):
    settings.ORCHESTRAI = 3
    assert check_settings(None) == []


@pytest.fixture
def lab():
    """Empty registries, and a schema in them."""
    with registry.empty_registries():

        @schema(namespace="lab")
        class Answer(OutputSchema):
            text: str

        yield Answer


def handle(answer):
    class Keep(BasePersistenceHandler):
        schema = answer

        def persist(self, response):
            return None

    return persistence_handler(namespace="lab")(Keep)


def test_a_handler_of_a_registered_schema_is_right(lab):
    handle(lab)
    assert check_handler_schemas(None) == []


def test_a_handler_of_an_unregistered_subclass_is_an_error(lab):
    class Derived(lab):
        more: str

    handle(Derived)
    (message,) = check_handler_schemas(None)
    assert message.id == "persistence.E002"
    assert message.obj == "persist.lab.default.Keep"
    assert "Derived" in message.msg
    assert "schemas.lab.default.Answer" in message.msg
    assert "@schema" in message.hint


def wired_service(with_codec):
    if with_codec:

        @codec(namespace="lab")
        class AnswerCodec(DjangoBaseCodec):
            def persist(self, *, response, parsed):
                return None

    @service(namespace="lab")
    class GenerateAnswer(DjangoBaseService):
        prompt_plan = ()

    wire(GenerateAnswer)


def test_a_handler_alone_or_a_codec_alone_is_right(lab):
    wired_service(with_codec=True)
    assert check_handler_beside_codec(None) == []
    with registry.empty_registries():
        handle(lab)
        wired_service(with_codec=False)
        assert check_handler_beside_codec(None) == []


def test_a_handler_beside_a_codec_is_a_warning_that_names_both(lab):
    handle(lab)
    wired_service(with_codec=True)
    (message,) = check_handler_beside_codec(None)
    assert message.id == "persistence.W001"
    assert not message.is_serious(40)
    assert "persist.lab.default.Keep" in message.msg
    assert "codecs.lab.default.AnswerCodec never runs" in message.msg
    assert message.obj == "services.lab.default.GenerateAnswer"


def test_a_misconfigured_app_is_left_to_the_engines_checks(settings):
    settings.ORCA_ENTRYPOINT = "config.nowhere:app"
    assert check_handler_schemas(None) == check_handler_beside_codec(None) == []


def test_a_model_whose_keys_may_be_too_long_is_named(monkeypatch):
    assert check_keys(None) == []
    monkeypatch.setattr("persistence.checks.MAX_KEY", 254)
    (message,) = check_keys(None)
    assert message.id == "persistence.W002"
    assert message.obj is Document
    assert not message.is_serious()
    assert "seedapp.Document" in message.msg
    assert "254" in message.msg


def test_an_approval_that_names_what_is_not_there_is_an_error(lab, settings, monkeypatch):
    handle(lab)
    wired_service(with_codec=False)
    (generate,) = services.all().values()
    monkeypatch.setattr(generate, "approval", Approval(unsure="doubts"))
    declared = {"services.lab.default.Nothing": {"always": True}, "*": {"share": 5}}
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_APPROVAL": declared}
    field, place = check_approvals(None)
    assert {field.id, place.id} == {"persistence.E004"}
    assert "there is no field 'doubts' there" in field.msg
    assert "names services.lab.default.Nothing, which is neither" in place.msg


def test_an_approval_of_results_that_nothing_takes_is_a_warning(lab, monkeypatch):
    wired_service(with_codec=False)
    (generate,) = services.all().values()
    monkeypatch.setattr(generate, "approval", Approval(always=True))
    (message,) = check_approvals(None)
    assert message.id == "persistence.W004"


@pytest.mark.django_db
def test_an_approval_that_asks_nobody_is_a_warning(lab, settings, monkeypatch):
    wired_service(with_codec=False)
    (generate,) = services.all().values()
    Group.objects.create(name="night")
    asks = Approval(always=True, assign_to="night", escalate_to="heads", permission="auth.change_group")
    monkeypatch.setattr(generate, "approval", asks)
    declared = {"*": {"share": 5, "permission": "clinic.release"}}
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_APPROVAL": declared}
    found = check_who_is_asked(databases=["default"])
    assert {each.id for each in found} == {"persistence.W005"}
    group, permission = (each.msg for each in found)
    assert "there is no group 'heads'" in group
    assert permission.startswith("*: there is no permission 'clinic.release'")
    assert check_who_is_asked(databases=None) == []


@pytest.mark.parametrize("wrong", [{"shares": 5}, {"share": 500}, {"deadline": 60}])
def test_an_approval_in_the_settings_is_checked(settings, wrong):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_APPROVAL": {"*": wrong}}
    (message,) = check_settings(None)
    assert message.id == "persistence.E001"
    assert "DOMAIN_PERSIST_APPROVAL" in message.msg
