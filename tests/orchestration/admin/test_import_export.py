"""Prices and prompt texts in and out as files: previewed, all or nothing, no formulas; texts edited in versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from import_export.admin import ExportMixin, ImportMixin

from apps.accounts.models import User
from orchestration.models import ModelPrice, PromptText
from orchestration.models.prompt_overrides import forget_texts
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECTION = "prompts.engineapp.default.TriageSection"
PRICES = "provider,model,valid_from,input_per_million,cached_input_per_million,output_per_million,currency\n"
GOOD = PRICES + "openai,gpt-9,2026-01-01 00:00:00,2.5,1.25,10,USD\n"
TEXTS = "section,part,text,note\n"


@pytest.fixture(autouse=True)
def fresh_texts() -> Iterator[None]:
    forget_texts()
    yield
    forget_texts()


def preview(client: Client, model: str, content: bytes | str, kind: str = "0", name: str = "rows.csv") -> Any:
    raw = content.encode() if isinstance(content, str) else content
    url = reverse(f"admin:orchestration_{model}_import")
    return client.post(url, {"format": kind, "import_file": SimpleUploadedFile(name, raw)})


def confirm(client: Client, model: str, page: Any) -> Any:
    named = r'name="(import_file_name|original_file_name|format|resource|seen)" value="([^"]*)"'
    fields = {name: unescape(value) for name, value in re.findall(named, html(page))}
    return client.post(reverse(f"admin:orchestration_{model}_process_import"), fields, follow=True)


def html(response: Any) -> str:
    return response.content.decode()


def test_prices_are_previewed_imported_with_a_note_and_exported(root: Client) -> None:
    page = preview(root, "modelprice", GOOD)
    assert "gpt-9" in html(page)
    assert not ModelPrice.objects.exists(), "a preview changes nothing"
    confirm(root, "modelprice", page)
    price = ModelPrice.objects.get()
    assert price.output_per_million == Decimal(10)
    assert LogEntry.objects.filter(object_id=str(price.pk)).exists()
    out = root.post(reverse("admin:orchestration_modelprice_export"), {"format": "0", "resource": "0"})
    assert b"gpt-9,2026-01-01 00:00:00+00:00,2.5" in out.content
    assert LogEntry.objects.filter(change_message="Export of 1 rows as csv.").exists()
    again = preview(root, "modelprice", out.content)
    assert [row.import_type for row in again.context["result"]] == ["skip"], "the same again changes nothing"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD + "openai,gpt-8,2026-01-01 00:00:00,-1,0,0,USD\n", "price_not_negative"),
        (GOOD + 'openai,"=HYPERLINK(""http://evil"")",2026-01-01 00:00:00,1,1,1,USD\n', "This cell is a formula"),
        (GOOD + "openai,gpt-8,soon,1,1,1,USD\n", "is not a date and time: write it like 2026-01-31T12:00:00Z"),
        ("a,b\n1,2\n", "There is no column a, b here."),
        (b"\xff\xfe\x00broken", "Line 1 is not UTF-16"),
    ],
)
def test_a_wrong_file_says_where_and_changes_nothing(root: Client, content: bytes | str, says: str) -> None:
    page = html(preview(root, "modelprice", content))
    assert says in page, re.sub(r"<[^>]+>|\s+", " ", page)[-1500:]
    assert "process_import" not in page
    assert not ModelPrice.objects.exists()


def test_a_corrupt_workbook_is_reported(root: Client) -> None:
    formats = re.findall(
        r'<option value="(\d+)">\s*xlsx', html(root.get(reverse("admin:orchestration_modelprice_import")))
    )
    page = html(preview(root, "modelprice", b"PK\x03\x04 not a workbook", formats[0], "rows.xlsx"))
    assert "is not an XLSX workbook" in page


def test_prompt_texts_become_new_versions_unless_one_is_bad(root: Client) -> None:
    PromptText(section=SECTION, part="instruction", text="Old.").publish()
    good = f'{SECTION},instruction,"New {{code}}",better\n'
    bad = f'{SECTION},message,"{{gone}}",worse\n'
    page = preview(root, "prompttext", TEXTS + good + bad)
    assert "There is no {gone}" in html(page)
    confirm(root, "prompttext", page)
    assert PromptText.objects.count() == 1
    confirm(root, "prompttext", preview(root, "prompttext", TEXTS + good))
    current = PromptText.objects.current().get()
    assert (current.version, current.text, current.note) == (2, "New {code}", "better")
    assert current.created_by is not None
    doubled = html(preview(root, "prompttext", TEXTS + good + good))
    assert "more than once" in doubled
    out = root.post(reverse("admin:orchestration_prompttext_export"), {"format": "0", "resource": "0"})
    assert b"New {code}" in out.content


def published(content: str) -> PromptText:
    made = PromptText(section=SECTION, part="instruction", text=content)
    made.publish()
    return made


@pytest.mark.parametrize("meanwhile", ["published", "withdrawn", "the first one"])
def test_what_changed_after_the_preview_is_not_overwritten(root: Client, meanwhile: str) -> None:
    old = published("Old.") if meanwhile != "the first one" else None
    page = preview(root, "prompttext", TEXTS + f"{SECTION},instruction,New,mine\n")
    if old is not None and meanwhile == "withdrawn":
        old.withdraw()
    else:
        published("Theirs.")
    before = list(PromptText.objects.values_list("text", "is_current"))
    told = html(confirm(root, "prompttext", page))
    assert "Nothing was imported. Row 1: What it would change was changed after the preview" in told
    assert list(PromptText.objects.values_list("text", "is_current")) == before
    confirm(root, "prompttext", preview(root, "prompttext", TEXTS + f"{SECTION},instruction,New,mine\n"))
    assert PromptText.objects.current().get().text == "New"


def test_a_price_that_changed_after_the_preview_is_kept(root: Client) -> None:
    confirm(root, "modelprice", preview(root, "modelprice", GOOD))
    page = preview(root, "modelprice", GOOD.replace(",10,", ",11,"))
    ModelPrice.objects.update(output_per_million=12)
    assert "changed after the preview" in html(confirm(root, "modelprice", page))
    assert ModelPrice.objects.get().output_per_million == 12


def test_a_text_published_while_a_file_is_imported_stays(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between what the import looked at and what it writes."""
    published("Old.")
    page = preview(root, "prompttext", TEXTS + f"{SECTION},instruction,New,mine\n")
    publish = PromptText.publish

    def beaten(self: PromptText, **given: Any) -> None:
        monkeypatch.setattr(PromptText, "publish", publish)
        published("Theirs.")
        publish(self, **given)

    monkeypatch.setattr(PromptText, "publish", beaten)
    told = html(confirm(root, "prompttext", page))
    assert "Row 1: Version 2 was published meanwhile; this text was written for version 1." in told


def test_an_operator_edits_restores_and_withdraws_a_text(root: Client) -> None:
    add = reverse("admin:orchestration_prompttext_add")
    assert "{code}" in html(root.get(add, {"section": SECTION}))
    data = {"section": SECTION, "part": "instruction", "text": "One.", "note": "first"}
    root.post(add, data)
    one = PromptText.objects.get()
    assert "There is no {nobody}" in html(root.post(add, data | {"text": "{nobody}"}))
    root.post(reverse("admin:orchestration_prompttext_change", args=(one.pk,)), data | {"text": "Two."})
    assert list(PromptText.objects.order_by("version").values_list("version", "text", "is_current")) == [
        (1, "One.", False),
        (2, "Two.", True),
    ]
    listed = reverse("admin:orchestration_prompttext_changelist")
    root.post(listed, {"action": "use_again", "_selected_action": [one.pk], f"base-{one.pk}": "2"})
    assert PromptText.objects.current().get().text == "One."
    current = PromptText.objects.current().get()
    root.post(listed, {"action": "withdraw", "_selected_action": [current.pk]})
    assert not PromptText.objects.current().exists()
    assert PromptText.objects.count() == 3
    told = root.post(listed, {"action": "withdraw", "_selected_action": [current.pk]}, follow=True)
    assert "is not in use" in html(told)


def test_a_call_leads_to_the_texts_of_its_prompt(root: Client, staff: Callable[..., Client]) -> None:
    PromptText(section=SECTION, part="message", text="{code}!").publish()
    page = reverse("admin:orchestration_servicecallrecord_change", args=(failed().pk,))
    shown = html(root.get(page))
    assert f"prompttext/{PromptText.objects.get().pk}/change/" in shown
    assert f"section={SECTION}&amp;part=instruction" in shown
    assert "Prompt texts of this service" not in html(staff("view_servicecallrecord").get(page))


def test_importing_needs_the_right_to_add_and_to_change(staff: Callable[..., Client]) -> None:
    client = staff("view_modelprice", "change_modelprice")
    assert preview(client, "modelprice", GOOD).status_code == 403


def test_export_needs_the_view_and_import_the_change_permission(client: Client) -> None:
    """Of every model whose rows go in or out as files, whoever made its page."""
    clerk = User.objects.create_user("clerk@example.com", "pw", is_staff=True)
    client.force_login(clerk)
    assert client.get(reverse("admin:index")).status_code == 200  # now all pages are registered
    ported = [model for model, page in site._registry.items() if isinstance(page, ImportMixin | ExportMixin)]
    assert {"ModelPrice", "PromptText", "ApiKey", "Persona", "PromptSet", "ScenarioTemplate"} <= {
        model.__name__ for model in ported
    }

    def answers(model: type[Model]) -> dict[str, int]:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        return {kind: client.get(reverse(f"{name}_{kind}")).status_code for kind in ("export", "import")} | {
            "process": client.post(reverse(f"{name}_process_import")).status_code
        }

    for model in ported:
        assert set(answers(model).values()) == {403}, model
        clerk.user_permissions.set([Permission.objects.get(codename=f"view_{model._meta.model_name}")])
        assert answers(model) == {"export": 200, "import": 403, "process": 403}, model
        clerk.user_permissions.clear()
