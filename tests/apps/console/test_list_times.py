"""Every list says times by how long ago they were, with the exact one where one points at it."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from html import unescape

import pytest
from django.contrib import admin
from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from orchestration.clock import database_now
from orchestration.theme.words import exact
from tests.rows_of_any_model import a_row

pytestmark = pytest.mark.django_db
ROW = re.compile(r'<tr class="data-row">.*?</tr>', re.DOTALL)
TAGS = re.compile(r"<[^>]*>")
CLOCK = re.compile(r"\d{1,2}:\d{2}")
OURS = {"orchestration", "persistence"}


def moments(model: type[Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if isinstance(field, DateTimeField)]


def a_row_with_times(model: type[Model]) -> Model:
    """A row all of whose times are set, as far as its model lets them."""
    row: Model = a_row(model)
    for name in moments(model):
        with suppress(IntegrityError), transaction.atomic():
            model._base_manager.filter(pk=row.pk).update(**{name: database_now() - timedelta(minutes=7)})
    return row


def rows_of(client: Client, model: type[Model]) -> list[str]:
    """The cells of each row of a list, as HTML."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    response = client.get(url)
    assert response.status_code == 200, url
    return ROW.findall(response.content.decode())


def test_every_list_says_how_long_ago_it_was(admin_client: Client) -> None:
    wrong, with_times = [], []
    for model, page in admin.site._registry.items():
        a_row_with_times(model)
        rows = rows_of(admin_client, model)
        told = {name for name in page.list_display if name in moments(model)}
        for row in rows:
            if CLOCK.search(unescape(TAGS.sub(" ", row))):
                wrong.append(model._meta.label)
        if told:
            with_times.append(model._meta.label)
            assert any('<time class="orca-ago' in row for row in rows), model._meta.label
    assert wrong == []
    assert {"accounts.Invitation", "chatlab.Message", "trainerlab.Assignment"} <= set(with_times)


def test_the_packages_say_it_themselves() -> None:
    """So that their lists do in every theme; the console's own rows do it for columns of apps."""
    raw = [
        f"{model._meta.label}.{name}"
        for model, page in admin.site._registry.items()
        if model._meta.app_label in OURS
        for name in page.list_display
        if name in moments(model)
    ]
    assert raw == []


def test_the_exact_time_is_where_one_points_at_it(admin_client: Client) -> None:
    user = User.objects.get()
    user.last_login = database_now() - timedelta(minutes=7)
    user.save()
    (row,) = rows_of(admin_client, User)
    assert f'title="{exact(user.last_login)}">7 min ago</time>' in row
