"""Identities: their parts, their spellings, where a class gets its own from, and stems."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.components.identity import DjangoIdentityMixin, Identity, derive_identity, stem
from orchestration.errors import IdentityError

parts = st.text("abzABZ019_-", min_size=1, max_size=128)


class FeedbackMixin(DjangoIdentityMixin):
    namespace = "training"
    group = "feedback"


def made_in(module: str, bases: tuple[type, ...] = (), **attributes: Any) -> type:
    return type("GenerateReply", bases, {"__module__": module, **attributes})


def test_an_identity_reads_as_four_parts_and_its_label_as_three() -> None:
    identity = Identity("services", "chatlab", "patient", "Reply")
    assert str(identity) == "services.chatlab.patient.Reply"
    assert identity.label == "chatlab.patient.Reply"


def test_an_identity_cannot_be_changed() -> None:
    identity = Identity("services", "a", "b", "c")
    with pytest.raises(AttributeError):
        identity.name = "other"


@given(parts, parts, parts, parts)
def test_every_spelling_of_an_identity_gives_it_back(domain: str, namespace: str, group: str, name: str) -> None:
    identity = Identity(domain, namespace, group, name)
    assert Identity.get(identity) is identity
    assert Identity.get((domain, namespace, group, name)) == identity
    assert Identity.get(str(identity)) == identity
    assert Identity.get(identity.label, domain=domain) == identity
    assert Identity.get(str(identity), domain=domain) == identity


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "must be|expected domain"),
        ("a.b", "expected domain.namespace.group.name or namespace.group.name, got 2"),
        ("a..c", "group of an identity must not be empty"),
        ("a.b.c.d.e", "got 5"),
        ("services.a.b.", "name of an identity must not be empty"),
        ("services.a b.c.d", "namespace 'a b'"),
        ("services.a.b.c\n", "name 'c"),
        ("services.ä.b.c", "namespace 'ä'"),
        (("a", "b", "c"), "4 parts"),
        (("a", "b", "c", 4), "name of an identity must be a string, not int"),
        (["a", "b", "c", "d"], "not list"),
        (None, "not NoneType"),
        (7, "not int"),
        ("services.a.b." + "x" * 129, "129 characters"),
    ],
)
def test_anything_else_is_an_error_that_says_what_was_wrong(value: object, said: str) -> None:
    with pytest.raises(IdentityError, match=said):
        Identity.get(value)


def test_a_label_is_completed_by_whoever_knows_the_domain() -> None:
    label = Identity.get("a.b.C")
    assert (str(label), label.label, label.name) == ("a.b.C", "a.b.C", "C")
    assert Identity.get(label) == label != Identity.get("services.a.b.C")
    assert Identity.get(label, "services") == Identity.get("services.a.b.C")


def test_a_part_may_have_128_characters() -> None:
    assert len(Identity.get(f"services.a.b.{'x' * 128}").name) == 128


def test_an_identity_of_another_domain_is_refused() -> None:
    with pytest.raises(IdentityError, match=r"prompts\.a\.b\.c belongs to the domain 'prompts', not to 'services'"):
        Identity.get("prompts.a.b.c", domain="services")


def test_the_defaults_are_app_label_default_and_class_name() -> None:
    cls = made_in("apps.chatlab.orca.services.patient")
    assert str(derive_identity(cls, "services")) == "services.chatlab.default.GenerateReply"


def test_mixins_come_before_the_defaults() -> None:
    cls = made_in("apps.chatlab.orca.services.patient", (FeedbackMixin,))
    assert derive_identity(cls, "services").label == "training.feedback.GenerateReply"


def test_two_mixins_give_one_part_each() -> None:
    class NamespaceMixin(DjangoIdentityMixin):
        namespace = "chatlab"

    class GroupMixin(DjangoIdentityMixin):
        group = "patient"

    assert derive_identity(made_in("x", (NamespaceMixin, GroupMixin)), "services").label.startswith("chatlab.patient.")


def test_decorator_arguments_come_before_everything() -> None:
    cls = made_in("x", (FeedbackMixin,), name="attribute")
    identity = derive_identity(cls, "services", namespace="n", group="g", name="argument")
    assert identity.label == "n.g.argument"
    assert derive_identity(cls, "services").name == "attribute"


@pytest.mark.parametrize("part", ["namespace", "group", "name"])
def test_an_empty_argument_is_an_error_and_not_the_default(part: str) -> None:
    with pytest.raises(IdentityError, match=f"{part} of an identity must not be empty"):
        derive_identity(made_in("x", (FeedbackMixin,)), "services", **{part: ""})


def test_a_class_outside_of_every_app_must_say_its_namespace() -> None:
    with pytest.raises(IdentityError, match="no namespace: its module is in no app"):
        derive_identity(made_in("somewhere.else"), "services")


def test_the_name_of_an_app_does_not_begin_that_of_another() -> None:
    with pytest.raises(IdentityError, match="no namespace"):
        derive_identity(made_in("apps.chatlabels.orca"), "services")


def test_an_identity_too_long_to_be_stored_is_refused() -> None:
    with pytest.raises(IdentityError, match="stored in 255"):
        derive_identity(made_in("x"), "services", namespace="n" * 128, group="g" * 128)


def test_a_property_called_name_is_not_part_of_the_identity() -> None:
    cls = made_in("x", (FeedbackMixin,), name=property(lambda self: "computed"))
    assert derive_identity(cls, "services").name == "GenerateReply"


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("GeneratePatientInitial", "PatientInitial"),
        ("PatientInitialCodec", "PatientInitial"),
        ("PatientInitialOutputSchema", "PatientInitial"),
        ("PatientInitialSchema", "PatientInitial"),
        ("PatientInitialSection", "PatientInitial"),
        ("PatientInitialPersistence", "PatientInitial"),
        ("PatientInitialService", "PatientInitial"),
        ("GenerateHotwashInitialResponse", "HotwashInitial"),
        ("HotwashInitialResponseSchema", "HotwashInitial"),
        ("PatientInitial", "PatientInitial"),
        ("GeneratedReport", "GeneratedReport"),
        ("Generate", "Generate"),
        ("Service", "Service"),
        ("GenerateService", "Service"),
    ],
)
def test_a_stem_is_the_class_name_without_its_role(class_name: str, expected: str) -> None:
    assert stem(class_name) == expected
