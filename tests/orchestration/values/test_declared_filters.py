"""What a viewer without the right to read content can find out by filtering, sorting and searching: nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.accounts.models import User
from apps.chatlab.models import Message
from apps.simulation.models import FeedbackQuestion
from orchestration.models import ServiceCallRecord
from orchestration.values.declared_filters import COMPARED, DeclaredFilters
from persistence.models import BulkItem, PersistedPart
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed
from tests.rows_of_any_model import a_row

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
GUESSES = ("startswith", "icontains", "regex", "exact", "gt", "in", "isnull", "0__content__startswith", "contains")
HARMLESS = frozenset(COMPARED)


@pytest.fixture
def viewer() -> Client:
    """Somebody who may look at every list and read no content."""
    user = person(is_staff=True)
    codenames = Permission.objects.filter(codename__startswith="view_").exclude(codename="view_content")
    user.user_permissions.set(codenames)
    client = Client()
    client.force_login(user)
    return client


def listing(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def rows_shown(answer: Any) -> list[Any]:
    return [row.pk for row in answer.context["cl"].result_list]


def paths_of(model: type[Model], depth: int = 2) -> Iterator[str]:
    """Every column, and those behind its relations in both directions."""
    yield "pk"
    for field in model._meta.get_fields():
        yield field.name
        related = getattr(field, "related_model", None)
        if related is not None and related != model and depth > 1:
            yield from (f"{field.name}__{further}" for further in paths_of(related, depth - 1))


def declared_of(page: Any) -> set[str]:
    names = (item if isinstance(item, (str, type)) else item[0] for item in page.list_filter)
    return {name.parameter_name if isinstance(name, type) else name for name in names}


def test_every_list_takes_its_declared_filters_alone() -> None:
    admin.autodiscover()
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root@example.com", "pw")
    let_through = []
    for model, page in admin.site._registry.items():
        assert isinstance(page, DeclaredFilters), model
        for path in paths_of(model):
            for guess in (*(f"{path}__{guess}" for guess in GUESSES), path):
                if page.lookup_allowed(guess, "x", request):
                    let_through.append((model._meta.label, path, guess))
    assert let_through
    for label, path, guess in let_through:
        page = next(page for model, page in admin.site._registry.items() if model._meta.label == label)
        declared = declared_of(page)
        linked = guess in getattr(page, "linked_lookups", ())
        assert linked or path in declared or path.rpartition("__")[0] in declared, (label, guess)
        assert linked or guess == path or guess.removeprefix(f"{path}__") in HARMLESS, (label, guess)


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        ("orchestration_airequestaudit", "messages__0__content__startswith"),
        ("orchestration_airequestaudit", "response_audit__raw__icontains"),
        ("orchestration_servicecallrecord", "context__icontains"),
        ("orchestration_servicecallrecord", "request_audits__messages__icontains"),
        ("orchestration_servicecallrecord", "pk__startswith"),
        ("orchestration_airesponseaudit", "ai_request__messages__icontains"),
        ("chatlab_message", "content__startswith"),
        ("chatlab_message", "simulation__diagnosis__startswith"),
        ("consensus_run", "input_idea__startswith"),
        ("consensus_run", "proposal__expanded_proposal_json__icontains"),
        ("accounts_user", "password__startswith"),
        ("accounts_apikey", "hash__startswith"),
        ("accounts_apikey", "owner__password__startswith"),
        ("accounts_invitation", "token_hash__startswith"),
        ("django_q_success", "result__startswith"),
        ("django_q_schedule", "args__startswith"),
        ("gateway_interaction", "payload__prompt_enc__startswith"),
    ],
)
def test_a_guess_in_the_address_is_refused(viewer: Client, page: str, lookup: str) -> None:
    assert viewer.get(reverse(f"admin:{page}_changelist"), {lookup: "S"}).status_code == 400


@pytest.mark.parametrize("text", ["input.secret=42", "result.secret=42", "context.secret=42", "hidden words", '"x=1"'])
def test_a_viewer_cannot_search_for_content(viewer: Client, text: str) -> None:
    hit = {"secret": 42}
    succeeded(input=hit, context=hit, result=hit)
    failed(error="hidden words x=1", error_code="timeout")
    answer = viewer.get(listing(ServiceCallRecord), {"q": text})
    assert rows_shown(answer) == []
    assert "needs the permission to read content" in answer.content.decode()
    assert len(rows_shown(viewer.get(listing(ServiceCallRecord), {"q": "timeout"}))) == 1


def test_columns_of_content_are_neither_shown_nor_searched(viewer: Client) -> None:
    secret = "zebra-in-the-attic"
    message = a_row(Message, content=secret)
    run = new_run(person(), idea=f"We keep a {secret}.")
    made = [
        a_row(FeedbackQuestion, question=secret, answer=secret),
        a_row(PersistedPart, call_id="c", error=secret),
        a_row(BulkItem, call_id="c", error=secret),
        message,
        run,
    ]
    for row in made:
        for query in ({}, {"o": "1"}, {"o": "-3"}):
            answer = viewer.get(listing(type(row)), query)
            assert answer.status_code == 200
            assert secret not in answer.content.decode(), type(row)
        assert rows_shown(viewer.get(listing(type(row)), {"q": secret})) == [], type(row)
        for name in ("change", "history"):
            url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=(row.pk,))
            assert secret not in viewer.get(url).content.decode(), url


@pytest.mark.parametrize("field", ["content", "input_idea", "password"])
def test_a_popup_returns_no_other_column_than_keys(viewer: Client, field: str) -> None:
    for page in ("chatlab_message", "consensus_run", "accounts_user"):
        answer = viewer.get(reverse(f"admin:{page}_changelist"), {"_to_field": field, "_popup": "1"})
        assert answer.status_code == 400
