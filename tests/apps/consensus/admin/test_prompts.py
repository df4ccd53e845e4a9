"""Two editors of one version of the prompts: neither overwrites unseen what the other saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.consensus.models import Persona, PromptSet
from apps.consensus.prompt_sets.install import current_prompt_set
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def draft() -> PromptSet:
    return current_prompt_set().copy_as("2.0.0")


def editor(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(f"{name}@example.com", "pw"))
    return client


def url_of(draft: PromptSet) -> str:
    return reverse("admin:consensus_promptset_change", args=(draft.pk,))


def fields_of(response: Any) -> dict[str, Any]:
    """What the page would send, as it is."""
    context = response.context
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.initial_forms]
    return {field.html_name: field.value() for form in forms for field in form if field.value() is not None}


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_what_another_editor_saved_is_not_overwritten_unseen(draft: PromptSet) -> None:
    ann, bob = editor("ann"), editor("bob")
    url = url_of(draft)
    of_ann, of_bob = fields_of(ann.get(url)), fields_of(bob.get(url))
    assert ann.post(url, of_ann | {"expand_instruction": "From Ann."}).status_code == 302
    mine = of_bob | {"expand_instruction": "From Bob."}
    refused = bob.post(url, mine)
    assert "ann@example.com saved it at" in words(refused)
    assert f"Look at {url} first; save again to put yours in its place." in words(refused)
    assert "From Bob." in words(refused), "nothing that was typed is lost"
    assert PromptSet.objects.get(pk=draft.pk).expand_instruction == "From Ann."
    again = fields_of(refused)
    assert again["expand_instruction"] == "From Bob."
    assert bob.post(url, again).status_code == 302
    assert PromptSet.objects.get(pk=draft.pk).expand_instruction == "From Bob."


def test_a_persona_that_somebody_changed_is_not_overwritten(draft: PromptSet) -> None:
    """They are edited on the same page; also by an import, which has no entry in the history of the version."""
    bob, url = editor("bob"), url_of(draft)
    mine = fields_of(bob.get(url))
    Persona.objects.filter(prompt_set=draft, persona_id="critic").update(instruction="From a file.")
    refused = bob.post(url, mine)
    assert "Somebody changed it, while you wrote this one." in words(refused)
    assert Persona.objects.get(prompt_set=draft, persona_id="critic").instruction == "From a file."
    assert bob.post(url, fields_of(refused)).status_code == 302


def test_what_nobody_else_changed_is_saved_at_once(draft: PromptSet) -> None:
    ann, url = editor("ann"), url_of(draft)
    for text in ("One.", "Two."):
        assert ann.post(url, fields_of(ann.get(url)) | {"expand_instruction": text}).status_code == 302
        assert PromptSet.objects.get(pk=draft.pk).expand_instruction == text


def test_who_cannot_save_it_sees_it_all_the_same(draft: PromptSet) -> None:
    run = new_run(person())
    shown = editor("ann").get(url_of(run.prompt_set))
    assert run.prompt_set.expand_instruction[:40] in words(shown)
    assert 'name="base"' not in words(shown)
