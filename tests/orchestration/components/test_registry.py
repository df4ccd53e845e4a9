"""Registries: collisions, freezing, lookups and their suggestions, threads."""

from __future__ import annotations

import threading

import pytest

from orchestration.components import registry as registries
from orchestration.components.identity import Identity
from orchestration.components.registry import Registry, all_registries, empty_registries, registry_for, where
from orchestration.errors import (
    ComponentNotFound,
    IdentityCollision,
    IdentityError,
    RegistryFrozenError,
    ServiceNotFound,
)


class Reply: ...


class Other: ...


def identity(name: str = "Reply", group: str = "patient", namespace: str = "chatlab") -> Identity:
    return Identity("services", namespace, group, name)


@pytest.fixture
def registry() -> Registry:
    return Registry("services")


def test_a_component_is_found_by_every_spelling(registry: Registry) -> None:
    registry.register(identity(), Reply)
    assert registry.get(identity()) is Reply
    assert registry.get(("services", "chatlab", "patient", "Reply")) is Reply
    assert registry.get("services.chatlab.patient.Reply") is Reply
    assert registry.get("chatlab.patient.Reply") is Reply
    assert registry.get(Identity.get("chatlab.patient.Reply")) is Reply
    assert Identity.get("chatlab.patient.Reply") in registry
    assert "chatlab.patient.Reply" in registry


def test_two_classes_with_one_identity_are_refused_and_named(registry: Registry) -> None:
    registry.register(identity(), Reply)
    with pytest.raises(IdentityCollision) as caught:
        registry.register(identity(), Other)
    message = str(caught.value)
    assert "services.chatlab.patient.Reply" in message
    assert f"{__name__}.Reply ({__file__}:" in message
    assert f"{__name__}.Other ({__file__}:" in message
    assert registry.get(identity()) is Reply


def test_the_same_class_imported_again_replaces_itself(registry: Registry) -> None:
    registry.register(identity(), Reply)
    again = type("Reply", (), {"__module__": Reply.__module__, "__qualname__": Reply.__qualname__})
    registry.register(identity(), again)
    assert registry.get(identity()) is again
    assert len(registry) == 1


def test_a_frozen_registry_takes_nothing_more(registry: Registry) -> None:
    registry.register(identity(), Reply)
    registry.freeze()
    assert registry.frozen
    with pytest.raises(RegistryFrozenError, match=r"services\.chatlab\.patient\.Late .*the registry of services"):
        registry.register(identity("Late"), Other)
    assert registry.get(identity()) is Reply


def test_clearing_forgets_and_thaws(registry: Registry) -> None:
    registry.register(identity(), Reply)
    registry.freeze()
    registry.clear()
    assert not registry.all()
    registry.register(identity(), Other)


def test_an_unknown_service_is_refused_with_the_nearest_names(registry: Registry) -> None:
    registry.register(identity("GeneratePatientReply"), Reply)
    with pytest.raises(ServiceNotFound, match=r"Did you mean chatlab\.patient\.GeneratePatientReply\?"):
        registry.get("chatlab.patient.GeneratePatientRepyl")
    assert registry.try_get("chatlab.patient.Unknown") is None


def test_the_right_name_in_the_wrong_group_is_suggested(registry: Registry) -> None:
    registry.register(Identity("services", "zzzzzzzzzz", "yyyyyyyyy", "Reply"), Reply)
    with pytest.raises(ServiceNotFound, match=r"zzzzzzzzzz\.yyyyyyyyy\.Reply"):
        registry.get("chatlab.patient.Reply")


def test_without_a_near_name_the_message_counts_the_services(registry: Registry) -> None:
    with pytest.raises(ServiceNotFound, match="0 are registered"):
        registry.get("chatlab.patient.Reply")


def test_other_domains_have_their_own_not_found() -> None:
    with pytest.raises(ComponentNotFound) as caught:
        Registry("prompts").get("a.b.c")
    assert not isinstance(caught.value, ServiceNotFound)


def test_looking_up_what_is_not_an_identity_says_so(registry: Registry) -> None:
    with pytest.raises(IdentityError):
        registry.get("nonsense")
    with pytest.raises(IdentityError, match="belongs to the domain 'prompts'"):
        registry.try_get("prompts.a.b.c")
    with pytest.raises(IdentityError):
        registry.register(Identity("prompts", "a", "b", "c"), Reply)


def test_filtering_by_namespace_and_group(registry: Registry) -> None:
    registry.register(identity(), Reply)
    registry.register(identity(group="nurse"), Other)
    registry.register(identity(namespace="trainerlab"), Other)
    assert list(registry.filter(namespace="chatlab")) == [identity(group="nurse"), identity()]
    assert list(registry.filter(group="patient")) == [identity(), identity(namespace="trainerlab")]
    assert list(registry.filter(namespace="chatlab", group="nurse")) == [identity(group="nurse")]
    assert len(registry.filter()) == 3


def test_what_all_returns_is_a_copy(registry: Registry) -> None:
    registry.register(identity(), Reply)
    registry.all().clear()
    assert len(registry) == 1


def test_there_is_one_registry_per_domain_for_every_thread() -> None:
    found: list[Registry] = []
    threads = [threading.Thread(target=lambda: found.append(registry_for("services"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(registry) for registry in found} == {id(registry_for("services"))}
    assert registry_for("services") in all_registries()


def test_threads_register_without_losing_anything(registry: Registry) -> None:
    def register(start: int) -> None:
        for number in range(start, start + 200):
            registry.register(identity(f"S{number}"), type(f"S{number}", (), {}))

    threads = [threading.Thread(target=register, args=(n * 200,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry) == 800


def test_isolated_registries_start_empty_and_are_restored() -> None:
    services = registry_for("services")
    before, frozen = services.all(), services.frozen
    with empty_registries():
        assert not services.all()
        assert not services.frozen
        services.register(identity(), Reply)
    assert services.all() == before
    assert services.frozen is frozen


def test_a_registry_made_in_isolation_is_empty_afterwards() -> None:
    with empty_registries():
        registry_for("onlyhere").register(Identity("onlyhere", "a", "b", "c"), Reply)
    assert not registry_for("onlyhere").all()


def test_a_class_without_source_is_named_without_place() -> None:
    assert where(type("Made", (), {"__module__": "nowhere"})) == "nowhere.Made"


def test_a_lookup_fills_a_registry_that_is_not_frozen(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "_before_lookups", lambda: registry.register(identity(), Reply))
    assert registry.registered() == {}
    assert registry.all() == {identity(): Reply}


def test_a_lookup_in_a_frozen_registry_starts_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr(registries, "_before_lookups", lambda: started.append(True))
    registry.freeze()
    assert registry.try_get(identity()) is None
    assert started == []
