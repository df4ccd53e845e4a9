"""What pages of the console cost: at most so many queries for every list and every page that is registered."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.template import Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued, running
from tests.rows_of_any_model import a_row

pytestmark = pytest.mark.django_db
ROWS = 15
LIST_QUERIES, PAGE_QUERIES = 12, 20


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def cost(client: Client, url: str) -> tuple[int, list[str]]:
    """(status, statements)."""
    ContentType.objects.clear_cache()
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url)
    return response.status_code, [query["sql"] for query in captured]


def address(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def some_rows(model: type[Model]) -> list[Model]:
    """ROWS of them, or as many as the table takes: some hold one row alone."""
    rows = [a_row(model)]
    while len(rows) < ROWS:
        try:
            with transaction.atomic():
                rows.append(a_row(model))
        except IntegrityError:
            break
    return rows


def test_no_list_and_no_page_costs_more_the_more_rows_there_are(root: Client) -> None:
    admin.autodiscover()
    beyond = []
    for model in admin.site._registry:
        pages = ((address(model, "changelist"), LIST_QUERIES),)
        pages += ((address(model, "change", some_rows(model)[-1].pk), PAGE_QUERIES),)
        for url, most in pages:
            status, statements = cost(root, url)
            if status != 200 or len(statements) > most:
                beyond.append(f"{url}: status {status}, {len(statements)} queries of at most {most}")
    assert not beyond, "\n".join(beyond)


def test_no_list_of_rows_that_the_engine_writes_counts_them(root: Client) -> None:
    succeeded()
    for name in ("servicecallrecord", "airequestaudit", "airesponseaudit"):
        _, statements = cost(root, reverse(f"admin:orchestration_{name}_changelist"))
        assert not [sql for sql in statements if "COUNT(" in sql.upper()], name


def test_the_dashboard_costs_a_fixed_number_of_queries(root: Client) -> None:
    """It counts no calls row by row."""
    for number in range(ROWS):
        failed(service_identity=f"services.engineapp.default.S{number}", model=f"m{number}")
        running(worker=f"node-{number}:1:x")
        queued()
    for url in (reverse("admin:index"), reverse("admin:persistence_overview")):
        status, statements = cost(root, f"{url}?period=7d")
        assert status == 200
        assert len(statements) <= 20, statements
        whole_table = 'SELECT COUNT(*) AS "__count" FROM "service_call_record"'
        assert not [sql for sql in statements if sql.strip() == whole_table]


def test_no_report_costs_more_the_more_there_is(root: Client) -> None:
    for number in range(ROWS):
        error = f"Error_{'x' * number}: gone"
        dead = {"domain_persist_state": PersistState.DEAD, "domain_persist_error": error}
        queued(status=Status.SUCCEEDED, finished_at=timezone.now(), **dead)
    one, other = succeeded(), succeeded()
    schema = f"?schema={one.schema_identity}"
    for name, args, query in (
        ("persistence_dead_letters", (), ""),
        ("persistence_upgrades", (), schema),
        ("persistence_rerun", (one.pk,), ""),
        ("persistence_compare", (one.pk, other.pk), ""),
        ("orchestration_servicecallrecord_history", (one.pk,), ""),
    ):
        status, statements = cost(root, f"{reverse(f'admin:{name}', args=args)}{query}")
        assert (status, len(statements) <= PAGE_QUERIES) == (200, True), (name, len(statements), statements)


@pytest.mark.parametrize("text", ["0123", "services.x", "user 1", "input.a=1", '"gone"', "timeout", "x.y=1"])
def test_a_search_costs_no_more_than_a_list(root: Client, text: str) -> None:
    for _ in range(3):
        failed()
    url = reverse("admin:orchestration_servicecallrecord_changelist")
    status, statements = cost(root, f"{url}?q={text}")
    assert status == 200
    assert len(statements) <= LIST_QUERIES, statements
    assert ServiceCallRecord.objects.exists()


def test_a_page_builds_the_list_of_apps_once(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = admin.site._build_app_dict
    monkeypatch.setattr(admin.site, "_build_app_dict", lambda *args: built.append(1) or build(*args))
    assert root.get(address(ServiceCallRecord, "changelist")).status_code == 200
    assert len(built) == 1


def test_a_row_of_a_list_costs_little_html_and_no_template(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def size(rows: int) -> tuple[int, int]:
        rendered: list[str | None] = []
        render = Template._render  # type: ignore[attr-defined]
        with monkeypatch.context() as patched:
            patched.setattr(Template, "_render", lambda self, given: rendered.append(self.name) or render(self, given))
            page = root.get(address(ServiceCallRecord, "changelist"))
        assert page.content.count(b'<tr class="data-row">') == rows
        return len(page.content), len(rendered)

    succeeded()
    small, templates = size(1)
    for _ in range(10):
        succeeded()
    large, more = size(11)
    assert more == templates
    assert (large - small) / 10 <= 2_200, "bytes of a row"
    assert small <= 120_000, "bytes of the frame"
