"""Versions of a prompt text: which one a call used, what changed, which calls one made, and two editors at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import TransitionRefused
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.models.prompt_overrides import forget_texts
from orchestration.stats import prompt_use
from orchestration.stats.prompt_use import Part, calls_with, prompt_of, use_of
from orchestration.testing import drain
from tests.orchestration.factories import failed, queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECTION = "prompts.engineapp.default.TriageSection"
TRIAGE = "services.engineapp.default.Triage"
CALLS = reverse("admin:orchestration_servicecallrecord_changelist")


@pytest.fixture(autouse=True)
def fresh_texts() -> Iterator[None]:
    forget_texts()
    yield
    forget_texts()


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def text(content: str, **fields: Any) -> PromptText:
    made = PromptText(section=SECTION, part="instruction", text=content, **fields)
    made.publish()
    forget_texts()
    return made


def asked() -> ServiceCallRecord:
    call = submit(CallSpec(service=TRIAGE, context={"ticket": "it burns"}))
    drain()
    return call


def page_of(call: ServiceCallRecord) -> str:
    return reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))


def texts_used_by(call: ServiceCallRecord) -> Mapping[Part, int] | None:
    prompt = prompt_of(call)
    return None if prompt is None else prompt.texts


def versions(made: PromptText) -> str:
    return reverse("admin:orchestration_prompttext_versions", args=(made.pk,))


# --- which one was used -------------------------------------------------------------------------


def test_a_call_says_which_version_it_was_made_with(root: Client) -> None:
    by_code = asked()
    first = text("Be brief.")
    call = asked()
    second = text("Be very brief.")
    assert texts_used_by(call) == {(SECTION, "instruction"): 1}
    page = html(root.get(page_of(call)))
    assert f'this call was made with <a class="orca-link" href="{versions(first)}">v1</a>; now it is v2' in page
    assert f'href="{CALLS}?prompt={first.pk}"' in page
    page = html(root.get(page_of(by_code)))
    assert "this call was made with the section&#x27;s code; now it is v2" in page
    assert texts_used_by(by_code) == {}
    unsent = failed()
    assert texts_used_by(unsent) is None
    assert "now v2" in html(root.get(page_of(unsent)))
    assert f"prompttext/{second.pk}/change/" in html(root.get(page_of(unsent)))


def test_the_calls_of_a_version_are_found_and_counted(root: Client) -> None:
    first = text("Be brief.")
    one, two = asked(), asked()
    second = text("Be very brief.")
    three = asked()
    assert set(calls_with(first)) == {one.pk, two.pk}
    assert set(calls_with(second)) == {three.pk}
    assert str(use_of(first).calls) == "2"
    listed = root.get(CALLS, {"prompt": first.pk}).context["cl"].result_list
    assert {call.pk for call in listed} == {one.pk, two.pk}
    page = html(root.get(versions(first)))
    assert f'<a class="orca-link" href="{CALLS}?prompt={first.pk}">Calls made with v1 (2)</a>' in page
    assert "Calls made with v2 (1)" in page


def test_a_version_is_known_by_its_figures(root: Client) -> None:
    """A prompt that does harm shows: its calls fail, are repaired, cannot be persisted, or cost more."""
    made = text("Be brief.")
    good, bad, dead, waiting = asked(), asked(), asked(), asked()
    for call, changes in (
        (good, {"total_tokens": 100, "cost": Decimal("0.01")}),
        (bad, {"status": "failed", "total_tokens": 0, "cost": None, "domain_persist_state": "none"}),
        (dead, {"total_tokens": 200, "cost": None, "domain_persist_state": "dead"}),
        (waiting, {"status": "queued", "total_tokens": 900, "domain_persist_state": "none"}),
    ):
        ServiceCallRecord.objects.filter(pk=call.pk).update(**changes)
    request_audit(good, attempt=2, repair=1).save()
    use = use_of(made)
    assert (str(use.calls), use.ended, use.failed, use.dead, use.repaired) == ("4", 3, 1, 1, 1)
    assert (use.tokens, use.cost) == (100, Decimal("0.01"))
    page = html(root.get(versions(made)))
    assert "Calls made with v1 (4)" in page
    assert "0.010000" in page
    nothing = use_of(text("Be kind."))
    assert (nothing.ended, nothing.tokens, nothing.cost) == (0, None, None)


def test_a_version_in_any_place_of_a_prompt_is_found() -> None:
    made = text("Be brief.")
    call = queued()
    other = {"identity": "prompts.engineapp.default.Other", "texts": {"instruction": 1}}
    mine = {"identity": SECTION, "texts": {"instruction": 1, "message": 7}}
    request_audit(call, prompt_meta={"sections": [other, {"identity": SECTION}, mine]}).save()
    request_audit(failed(), prompt_meta={"sections": [other]}).save()
    assert set(calls_with(made)) == {call.pk}


def test_only_the_newest_requests_of_its_time_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_use, "NEWEST_REQUESTS", 1)
    made = text("Be brief.")
    asked()
    newest = asked()
    assert list(calls_with(made)) == [newest.pk]


@pytest.mark.parametrize("value", ["999999", "nonsense", "9" * 30])
def test_a_version_that_is_not_there_finds_nothing_and_says_so(root: Client, value: str) -> None:
    queued()
    response = root.get(CALLS, {"prompt": value})
    assert not response.context["cl"].result_list
    assert "There is no prompt text with the number" in html(response)


# --- what changed -------------------------------------------------------------------------------


def test_a_version_is_shown_beside_the_one_in_use(root: Client) -> None:
    first, second, third = text("Be brief.\nSay please."), text("Be kind.\nSay please."), text("Be quick.\nSay please.")
    page = html(root.get(versions(first)))
    assert "From v1 to v3" in page
    assert "<del>Be brief.</del>" in page
    assert "<ins>Be quick.</ins>" in page
    page = html(root.get(versions(third)))
    assert "From v2 to v3" in page, "the one in use is beside the one before it"
    page = html(root.get(versions(first), {"with": "2"}))
    assert "From v1 to v2" in page
    assert "There is no other version." in html(root.get(versions(first), {"with": "99"}))
    assert versions(second) in page
    listed = html(root.get(reverse("admin:orchestration_prompttext_changelist")))
    assert versions(second) in listed


def test_versions_need_the_right_to_view_texts(staff: Callable[..., Client]) -> None:
    made = text("Be brief.")
    assert staff("view_servicecallrecord").get(versions(made)).status_code == 403
    page = html(staff("view_prompttext").get(versions(made)))
    assert "Be brief." in page
    assert "Calls made with" not in page
    assert staff("view_prompttext").get(f"{versions(made)[: -len('/versions/')]}9/versions/").status_code == 404


# --- two editors --------------------------------------------------------------------------------


def test_a_text_is_not_overwritten_unseen(root: Client) -> None:
    first = text("Be brief.")
    url = reverse("admin:orchestration_prompttext_change", args=(first.pk,))
    opened = root.get(url)
    assert 'type="hidden" name="base" value="1"' in html(opened)
    text("Be kind.")
    mine = {"text": "Be quick.", "note": "mine", "base": "1"}
    refused = html(root.post(url, mine))
    assert "saved version 2 at" in refused
    assert "Be quick." in refused, "nothing that was typed is lost"
    assert PromptText.objects.current().get().text == "Be kind."
    assert 'type="hidden" name="base" value="2"' in refused
    root.post(url, mine | {"base": "2"})
    assert PromptText.objects.current().get().text == "Be quick."
    assert PromptText.objects.current().get().version == 3


def test_a_first_text_is_not_put_over_another_first_one(root: Client) -> None:
    add = reverse("admin:orchestration_prompttext_add")
    query = {"section": SECTION, "part": "instruction"}
    assert 'name="base" value="0"' in html(root.get(add, query))
    text("Be kind.")
    refused = html(root.post(add, query | {"text": "Be quick.", "base": "0"}))
    assert "saved version 1 at" in refused
    assert PromptText.objects.count() == 1


def test_a_withdrawal_meanwhile_is_told_to_who_saves(root: Client) -> None:
    first = text("Be brief.")
    url = reverse("admin:orchestration_prompttext_change", args=(first.pk,))
    assert 'type="hidden" name="base" value="1"' in html(root.get(url))
    first.withdraw()
    mine = {"text": "Be quick.", "note": "mine", "base": "1"}
    refused = html(root.post(url, mine))
    assert "Version 1 was withdrawn, while you wrote this one." in refused
    assert not PromptText.objects.current().exists()
    assert 'type="hidden" name="base" value="-1"' in refused
    root.post(url, mine | {"base": "-1"})
    assert PromptText.objects.current().get().version == 2


def test_a_text_for_another_section_than_was_opened_is_saved(root: Client) -> None:
    text("Be kind.")
    add = reverse("admin:orchestration_prompttext_add")
    assert 'name="base" value="1"' in html(root.get(add, {"section": SECTION, "part": "instruction"}))
    root.post(add, {"section": SECTION, "part": "message", "text": "Be quick.", "base": "1"})
    assert PromptText.objects.get(part="message").version == 1


LISTED = reverse("admin:orchestration_prompttext_changelist")


def again(root: Client, chosen: PromptText, shown: str) -> str:
    """Choose a version again on the list as it was shown."""
    base = re.search(rf'name="base-{chosen.pk}" value="(-?\d+)"', shown)
    assert base is not None
    sent = {"action": "use_again", "_selected_action": [chosen.pk], f"base-{chosen.pk}": base[1]}
    return html(root.post(LISTED, sent, follow=True))


def test_a_version_is_used_again_only_for_the_one_that_was_seen(root: Client) -> None:
    first = text("Be brief.")
    text("Be kind.")
    shown = html(root.get(LISTED))
    text("Be quick.")
    told = again(root, first, shown)
    assert "was not put in use. Version 3 was published meanwhile; this text was written for version 2." in told
    assert PromptText.objects.current().get().text == "Be quick."
    assert "v4 is in use" in again(root, first, html(root.get(LISTED)))
    assert PromptText.objects.current().get().text == "Be brief."


def test_a_version_is_not_used_again_over_a_withdrawal(root: Client) -> None:
    first = text("Be brief.")
    second = text("Be kind.")
    shown = html(root.get(LISTED))
    second.withdraw()
    assert "was not put in use. Version 2 was withdrawn meanwhile" in again(root, first, shown)
    assert not PromptText.objects.current().exists()
    assert "v3 is in use" in again(root, first, html(root.get(LISTED)))


def test_a_version_that_no_page_showed_is_not_used_again(root: Client) -> None:
    first = text("Be brief.")
    text("Be kind.")
    told = html(root.post(LISTED, {"action": "use_again", "_selected_action": [first.pk]}, follow=True))
    assert "is not on the page that this came from" in told
    assert PromptText.objects.count() == 2


def test_the_faster_one_of_two_publishers_wins() -> None:
    text("Be kind.")
    late = PromptText(section=SECTION, part="instruction", text="Be quick.")
    with pytest.raises(TransitionRefused, match="Version 1 was published meanwhile"):
        late.publish(base=0)
    late.publish(base=1)
    assert PromptText.objects.current().get().version == 2
    late.withdraw()
    with pytest.raises(TransitionRefused, match="Version 2 was withdrawn meanwhile; this text was written for"):
        PromptText(section=SECTION, part="instruction", text="Be slow.").publish(base=2)


def test_a_race_after_the_forms_check_is_told(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = text("Be brief.")
    url = reverse("admin:orchestration_prompttext_change", args=(first.pk,))

    def beaten(self: PromptText, **_: Any) -> None:
        raise TransitionRefused("Version 2 was published meanwhile; this text was written for 1.")

    monkeypatch.setattr(PromptText, "publish", beaten)
    page = html(root.post(url, {"text": "Be quick.", "base": "1"}, follow=True))
    assert "Version 2 was published meanwhile" in page
