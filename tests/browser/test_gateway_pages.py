"""The gateway's pages of the console in a real browser, with rows in them: accessible in light and dark, on a phone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from apps.gateway.crypto import encrypt
from apps.gateway.models import Interaction, InteractionPayload, KeyMeter, KeyPolicy, Status
from tests.browser.accessible import THEMES, problems_in_both_themes, show_in, wider_than
from tests.browser.pictures import FOLDER, picture

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
PHONE = 390
ASKED = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}'
ANSWERED = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Because of Rayleigh."}}]}'


def keys_of(owner: User) -> list[ApiKey]:
    """One that works, with a policy and something in use; one that is used up; one that was revoked."""
    now = timezone.now()
    made = []
    for name, fields in (
        ("front office, nightly letters", {"budget": Decimal(5), "spent": Decimal("1.25"), "requests_per_minute": 60}),
        ("batch", {"budget": Decimal(1), "spent": Decimal(1), "expires_at": now - timedelta(days=1)}),
        ("gone", {"revoked_at": now, "last_used_at": now}),
    ):
        key = ApiKey(owner=owner, name=name, scopes=[Scope.GATEWAY_CALL], **fields)
        key.draw_secret()
        key.save()
        made.append(key)
    KeyPolicy.objects.create(api_key=made[0], fallback_models=["gpt-4o"], parallel=4, mask_personal_data=True)
    KeyMeter.objects.create(api_key=made[0], reserved=Decimal("0.0125"))
    LogEntry.objects.log_actions(owner.pk, [made[0]], CHANGE, "Budget from 3 to 5.", single_object=True)
    return made


def requests_with(keys: list[ApiKey]) -> Interaction:
    """One of each status, over the last days; returns one that was answered, with its payload."""
    now = timezone.now()
    for number, status in enumerate(Status.values * 2):
        Interaction.objects.create(
            request_id=f"req_{number:032}",
            user_id=str(keys[0].owner_id),
            api_key=keys[number % len(keys)],
            model=("gpt-4o-mini", "text-embedding-3-small-with-a-long-name")[number % 2],
            status=status,
            http_status=429 if status == Status.REFUSED else 200,
            error_code="rate_limit_exceeded" if status == Status.REFUSED else "",
            prompt_tokens=number * 120,
            response_tokens=number * 30,
            cost=None if status == Status.UNKNOWN else Decimal("0.00056700") * number,
            latency_ms=None if status == Status.IN_FLIGHT else 400 + number,
            timestamp=now - timedelta(days=number),
        )
    answered = Interaction.objects.filter(status=Status.COMPLETED).latest("pk")
    Interaction.objects.filter(pk=answered.pk).update(
        cache_hit=True, cache_kind="exact", compression="low", tokens_saved=12, masked=True, answered_by="gpt-4o-mini"
    )
    rerouted = {"client": "azure-sweden", "route_reason": "openai/gpt-4o: circuit_open, rack/llama-3.3-70b: timeout"}
    Interaction.objects.filter(pk=answered.pk).update(**rerouted)
    payload = {"prompt_enc": encrypt(ASKED), "sent_enc": encrypt(ASKED), "response_enc": encrypt(ANSWERED)}
    InteractionPayload.objects.create(interaction=answered, key_id="k", **payload)
    return answered


def pages(key: ApiKey, answered: Interaction) -> dict[str, str]:
    """By the name of the picture."""
    of_key = {name: reverse(f"admin:accounts_apikey_{name}", args=(key.pk,)) for name in ("change", "history")}
    return {
        "interactions": reverse("admin:gateway_interaction_changelist"),
        "usage": reverse("admin:gateway_interaction_usage"),
        "no-interactions": f"{reverse('admin:gateway_interaction_changelist')}?q=nothing",
        "interaction": reverse("admin:gateway_interaction_change", args=(answered.pk,)),
        "keys": reverse("admin:accounts_apikey_changelist"),
        "key": of_key["change"],
        "key-history": of_key["history"],
        "new-key": reverse("admin:accounts_apikey_add"),
        "new-secret": reverse("admin:accounts_apikey_rotate_secret", args=(key.pk,)),
        "revoke": reverse("admin:accounts_apikey_revoke_this", args=(key.pk,)),
        "export-keys": reverse("admin:accounts_apikey_export"),
        "import-keys": reverse("admin:accounts_apikey_import"),
    }


def test_gateway_pages_are_accessible_in_themes_and_on_phones(console: Any, live_server: Any, root: User) -> None:
    keys = keys_of(root)
    answered = requests_with(keys)
    cache.clear()
    found = []
    for name, url in pages(keys[0], answered).items():
        answer = console.goto(f"{live_server.url}{url}")
        assert answer.status == 200, url
        found += [f"{name} {problem}" for problem in problems_in_both_themes(console)]
        found += [f"{name} is wider than a phone: {element}" for element in wider_than(console, PHONE)]
        if FOLDER:
            shoot(console, name)
    assert not found, "\n".join(found)


def shoot(page: Any, name: str) -> None:
    """In both themes, and on a phone."""
    for theme in THEMES:
        show_in(page, theme)
        picture(page, f"{name}-{theme}", full_page=True)
    show_in(page, "light")
    before = page.viewport_size
    page.set_viewport_size({"width": PHONE, "height": 844})
    picture(page, f"{name}-phone", full_page=True)
    page.set_viewport_size(before)
