"""What `@persistence_handler` accepts, and which handler takes a result."""

import pytest

from orchestration.components import registry
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import schema
from orchestration.errors import IdentityCollision, RegistryFrozenError
from persistence.errors import HandlerCollision, HandlerDefinitionError
from persistence.handlers.base import BasePersistenceHandler, persistence_handler
from persistence.handlers.registry import all_handlers, resolve


@pytest.fixture(autouse=True)
def empty_registries():
    with registry.empty_registries():
        yield


@pytest.fixture
def answer():
    @schema(namespace="lab")
    class Answer(OutputSchema):
        text: str

    return Answer


def handler(answer, *, namespace="lab", name=None, asynchronous=False):
    """A registered handler of `answer`."""

    class Plain(BasePersistenceHandler):
        schema = answer

        def persist(self, response):
            return None

    class Asynchronous(BasePersistenceHandler):
        schema = answer

        async def persist(self, response):
            return None

    return persistence_handler(namespace=namespace, name=name)(Asynchronous if asynchronous else Plain)


def test_a_handler_is_registered_under_persist(answer):
    made = handler(answer, name="Keep")
    assert str(made.identity) == "persist.lab.default.Keep"
    assert registry.registry_for("persist").get("lab.default.Keep") is made
    assert list(all_handlers().values()) == [made]


def test_whether_it_is_asynchronous_is_found_out_once(answer):
    assert handler(answer).is_async is False
    assert handler(answer, namespace="other", asynchronous=True).is_async is True


def test_the_fingerprint_follows_the_source(answer):
    one, same, other = (
        handler(answer),
        handler(answer, namespace="a"),
        handler(answer, namespace="b", asynchronous=True),
    )
    assert len(one.fingerprint) == 16
    assert int(one.fingerprint, 16) >= 0
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_class_without_source_has_a_fingerprint_too(answer):
    made = type("Typed", (BasePersistenceHandler,), {"schema": answer, "persist": lambda self, response: None})
    made.__module__ = "nowhere"
    assert len(persistence_handler(namespace="lab")(made).fingerprint) == 16


def test_resolution_goes_from_the_own_namespace_to_core_to_none(answer):
    identity = str(answer.identity)
    assert resolve("lab", identity) is None
    core = handler(answer, namespace="core")
    assert resolve("lab", identity) is core
    assert resolve("core", identity) is core
    own = handler(answer)
    assert resolve("lab", identity) is own
    assert resolve("elsewhere", identity) is core
    assert resolve("lab", "schemas.lab.default.Other") is None
    with registry.empty_registries():
        assert resolve("lab", identity) is None
    assert resolve("lab", identity) is own


def test_two_handlers_for_one_schema_are_refused_and_named(answer):
    """Both are in one namespace."""
    handler(answer, name="First")
    with pytest.raises(HandlerCollision, match=r"schemas.lab.default.Answer: .*Plain .*test_base.py:\d+\) and .*"):
        handler(answer, name="Second", asynchronous=True)
    assert issubclass(HandlerCollision, ValueError)


def test_one_handler_for_a_schema_in_each_namespace_is_fine(answer):
    handler(answer)
    handler(answer, namespace="other")
    assert len(all_handlers()) == 2


def test_the_same_class_imported_again_replaces_itself(answer):
    handler(answer)
    again = handler(answer)
    assert list(all_handlers().values()) == [again]


def test_two_handlers_with_one_identity_are_refused(answer):
    @schema(namespace="lab")
    class Another(OutputSchema):
        text: str

    handler(answer, name="Same")
    with pytest.raises(IdentityCollision, match=r"persist\.lab\.default\.Same"):
        handler(Another, name="Same", asynchronous=True)


def test_a_handler_that_comes_after_the_start_is_refused(answer):
    registry.registry_for("persist").freeze()
    with pytest.raises(RegistryFrozenError):
        handler(answer)


def test_without_a_schema_it_is_refused():
    with pytest.raises(HandlerDefinitionError, match=r"NoSchema .*sets no `schema`"):

        @persistence_handler(namespace="lab")
        class NoSchema(BasePersistenceHandler):
            def persist(self, response):
                return None


def test_a_schema_that_is_none_is_refused():
    class Odd(BasePersistenceHandler):
        schema = dict

        def persist(self, response):
            return None

    with pytest.raises(TypeError, match="must be a subclass of OutputSchema"):
        persistence_handler(namespace="lab")(Odd)


def test_an_undecorated_schema_is_refused():
    class Bare(OutputSchema):
        text: str

    with pytest.raises(HandlerDefinitionError, match=r"Bare .*is not decorated with @schema"):
        handler(Bare)


def test_without_persist_it_is_refused(answer):
    with pytest.raises(HandlerDefinitionError, match="defines no `persist"):

        @persistence_handler(namespace="lab")
        class NoPersist(BasePersistenceHandler):
            schema = answer


@pytest.mark.parametrize("other", [object, type("Codec", (), {"schema": None}), "text", None.__class__])
def test_another_base_is_refused(other):
    with pytest.raises(TypeError, match="is for subclasses of BasePersistenceHandler"):
        persistence_handler(namespace="lab")(other)


def test_a_mixin_may_bring_persist_and_schema(answer):
    class Saves:
        schema = answer

        def persist(self, response):
            return None

    @persistence_handler(namespace="lab")
    class Mixed(Saves, BasePersistenceHandler):
        pass

    assert resolve("lab", str(answer.identity)) is Mixed
