"""Keys that no row can have, at every address of the admin, in its filters and in what is selected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote as escape

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import ERROR_FLAG
from django.db.models import CharField, Field, ForeignKey, IntegerField, TextField
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.html import escape as escape_html

from apps.accounts.models import User
from apps.consensus.models import Run
from orchestration.models import AIRequestAudit, EngineCounter, ServiceCallRecord
from orchestration.values.generic_refs import reference_to
from orchestration.values.uuid_keys import new_call_id
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import queued
from tests.rows_of_any_model import a_row

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.timeout(300)]
ODD = (
    *("not-a-uuid", "-1", "1.5", "0x10", "a/b", "_5F", "%ff", "{x}", "\x00", "a\x00b", "a" * 10_000),
    *(str(2**31), str(2**63), str(10**30), "9" * 5000, "0190-" * 7),
)
PARAMETER = re.compile(r"<(?:\w+:)?\w+>")
OTHER_PARAMETERS = ("q", "p", "o", "_to_field", "_popup", "created_at_from", "created_at_to", "period", "saved")


@pytest.fixture
def root() -> Client:
    admin.autodiscover()
    client = Client(raise_request_exception=False)
    user = User.objects.create_superuser("root@example.com", "pw")
    client.force_login(user)
    succeeded(user)
    return client


def addresses(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    """The routes of everything below /admin/."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, route)
        elif isinstance(pattern, URLPattern) and route.startswith("admin/"):
            yield f"/{route}"


def refused(client: Client, urls: Iterable[str], allowed: set[int]) -> list[str]:
    """The addresses that are answered with another status than those allowed."""
    found = []
    for url in urls:
        status = client.get(url).status_code
        if status not in allowed:
            found.append(f"{status} {url[:200]}")
    return found


def odd_for(field: Field[Any, Any]) -> str:
    """A value that a column of this kind cannot be compared with."""
    if isinstance(field, CharField | TextField):
        return "a%00b"
    return str(10**30) if isinstance(field, IntegerField | ForeignKey) else "1+week+ago"


def list_of(page: ModelAdmin[Any]) -> str:
    return list_of_name(f"{page.opts.app_label}_{page.opts.model_name}")


def list_of_name(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


@pytest.mark.sampled(6)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:12])
def test_what_cannot_be_a_key_in_an_address_is_404(root: Client, odd: str) -> None:
    routes = [route for route in addresses() if "<" in route and "(?P" not in route]
    assert len(routes) > 100
    urls = [PARAMETER.sub(escape(odd, safe="").replace("\\", ""), route) for route in routes]
    # 302: what could be a key of that model, and is not there; 403, 405: nobody may delete such rows, or read by POST
    assert not refused(root, urls, {302, 403, 404, 405})


def test_an_address_too_long_to_redirect_to_is_404(root: Client) -> None:
    for name in ("persistence_bulkrun", "orchestration_servicecallrecord", "orchestration_enginecounter"):
        for length in (2_000, 16_000, 20_000, 100_000):
            page = list_of_name(name) + "%C3%A9" * length + "/"
            assert root.get(page).status_code in {302, 404}, (name, length)


def test_an_impossible_filter_of_what_is_sent_shows_the_list(root: Client) -> None:
    before = ServiceCallRecord.objects.values().get()
    chosen = {"action": "retry_selected", "_selected_action": [before["id"]], "index": "0"}
    for query in ("status__exact=a%00b", "created_at__gte=0000", "attempts=x"):
        url = f"{list_of_name('orchestration_servicecallrecord')}?{query}"
        for answer in (root.post(url, chosen), root.head(url), root.put(url), root.options(url)):
            assert answer.status_code in {200, 302, 405}, (query, answer.request["REQUEST_METHOD"])
    assert ServiceCallRecord.objects.values().get() == before


@pytest.mark.parametrize("page", ["change", "history", "delete", "retry_one", "cancel_one", "revise_one"])
def test_an_id_of_a_run_that_is_not_a_uuid_is_404(root: Client, page: str) -> None:
    for odd in ("not-a-uuid", "1", str(10**30), "a_00b", f"{new_call_id()}0"):
        assert root.get(reverse(f"admin:consensus_run_{page}", args=(odd,))).status_code == 404, odd


@pytest.mark.parametrize("page", ["change", "history", "delete", "retry_call", "cancel_call"])
def test_an_id_of_a_call_that_is_not_a_uuid_is_404(root: Client, page: str) -> None:
    for odd in ("unknown", "a_00b", "x" * 300):
        assert root.get(reverse(f"admin:orchestration_servicecallrecord_{page}", args=(odd,))).status_code == 404, odd


@pytest.mark.long
def test_odd_filters_show_the_list_without_them(root: Client) -> None:
    urls = []
    for model, page in admin.site._registry.items():
        one_of_each_kind = {type(field): field for field in model._meta.concrete_fields}
        urls += [f"{list_of(page)}?{field.attname}={odd_for(field)}" for field in one_of_each_kind.values()]
        urls += [f"{list_of(page)}?{name}=%00" for name in OTHER_PARAMETERS]
    assert not refused(root, urls, {200, 302, 400, 403})


def test_a_filter_that_no_column_can_hold_says_so(root: Client) -> None:
    for page, query in (
        ("orchestration_servicecallrecord", "status__exact=a%00b"),
        ("orchestration_airequestaudit", "call__id__exact=a%00b"),
        ("persistence_bulkitem", f"run__id__exact={10**30}"),
        ("consensus_run", "created_at__gte=0000"),
        ("accounts_user", "is_active__exact=1e999"),
    ):
        answer = root.get(f"{reverse(f'admin:{page}_changelist')}?{query}", follow=True)
        assert answer.request["QUERY_STRING"] in {f"{ERROR_FLAG}=1", query}, query
        assert answer.status_code == 200, query


def test_selected_keys_that_no_row_can_have_are_404(root: Client) -> None:
    for page in admin.site._registry.values():
        for odd in ("not a key\x00", str(10**30) + "\ud7ff\x00"):
            chosen = {"action": "delete_selected", "_selected_action": [odd], "index": "0"}
            assert root.post(list_of(page), chosen).status_code in {404, 403}, (page, odd)
    for odd in ("x", str(10**30), "1.5"):
        chosen = {"action": "delete_selected", "_selected_action": [odd], "index": "0"}
        assert root.post(reverse("admin:accounts_user_changelist"), chosen).status_code == 404, odd


# --- the same key in other spellings ------------------------------------------------------------


def spellings(key: str) -> list[str]:
    return [key.upper(), key.replace("-", ""), f"{{{key}}}", f"urn:uuid:{key}", f"URN:UUID:{key.upper()}"]


def test_a_page_is_found_by_any_spelling_of_its_key(root: Client) -> None:
    call, run = ServiceCallRecord.objects.get(), a_row(Run)
    for name, key in (("orchestration_servicecallrecord", call.pk), ("consensus_run", str(run.pk))):
        for spelled in spellings(key):
            answer = root.get(reverse(f"admin:{name}_change", args=(spelled,)))
            assert answer.status_code == 200, spelled
    for spelled in spellings(call.pk):
        assert root.get(reverse("admin:persistence_rerun", args=(spelled,))).status_code == 200, spelled


def test_lists_are_filtered_by_any_spelling_of_a_key(root: Client) -> None:
    call = ServiceCallRecord.objects.get()
    audits = call.request_audits.count()
    assert audits
    for spelled in spellings(call.pk):
        listed = root.get(reverse("admin:orchestration_airequestaudit_changelist"), {"call__id__exact": spelled})
        assert len(listed.context["cl"].result_list) == audits, spelled
        found = root.get(reverse("admin:orchestration_servicecallrecord_changelist"), {"q": spelled})
        assert [row.pk for row in found.context["cl"].result_list] == [call.pk], spelled
    assert AIRequestAudit.objects.filter(call=call.pk.upper()).count() == audits


@pytest.mark.parametrize(
    "key", ["a/b", "_2F", "a?b#c", "50%", "a'b\"c", "a b", "é/日本", "<b>", "a+b&c=d", "..", ";,:@"]
)
def test_a_link_leads_to_its_row_whatever_the_key_holds(root: Client, key: str) -> None:
    counter = EngineCounter.objects.create(name=key)
    url = reference_to(counter).admin_url
    assert url is not None
    assert root.get(url).context["original"] == counter
    call = queued(related_object=counter)
    page = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,)))
    assert f'href="{escape_html(url)}"' in page.content.decode()
    found = root.get(reverse("admin:orchestration_servicecallrecord_changelist"), {"q": call.pk})
    assert f'href="{escape_html(url)}"' in found.content.decode()
