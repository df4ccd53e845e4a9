"""What a page looks like where axe sees nothing: both sides of a difference are there, buttons stay with their ids, and
long names do not push a page sideways."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from persistence.bulk.runs import freeze
from persistence.operations import REVERT
from persistence.testing import persist
from tests.browser.accessible import wider_than
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed
from tests.persistence.reprocessing.test_reprocess import one_message
from tests.persistence.results import note

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")

HIDDEN = """() => [...document.querySelectorAll('.orca-scroll')].filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.textContent.trim().slice(0, 80))"""
SIDES = """() => [...document.querySelectorAll('.orca-versus thead tr')].filter(head => head.cells.length === 3)
    .map(head => Math.round(head.cells[2].getBoundingClientRect().left))"""
APART = """() => [...document.querySelectorAll('[data-copy]')].filter(button => {
    const its = button.getBoundingClientRect(), id = button.previousElementSibling.getClientRects();
    return its.top > id[id.length - 1].bottom;
}).length"""


@pytest.mark.parametrize("width", [390, 1440])
def test_both_sides_of_a_difference_are_in_sight(console: Any, live_server: Any, width: int) -> None:
    """Nothing has to be scrolled to, and the sides are at the same place in each table of a page."""
    for _ in range(2):
        persist(note(one_message))
    run = freeze(REVERT, {})
    console.set_viewport_size({"width": width, "height": 844})
    console.goto(f"{live_server.url}{reverse('admin:persistence_run_sample', args=(run.pk,))}")
    console.locator("del").first.wait_for()
    assert console.evaluate(HIDDEN) == []
    places = console.evaluate(SIDES)
    assert len(places) > 1
    assert len(set(places)) == 1


def dies_of_a_long_name(handler: Any, response: Any) -> None:
    raise RuntimeError


def test_long_names_do_not_push_a_page_sideways(settings: Any, console: Any, live_server: Any) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    call = note(dies_of_a_long_name)
    assert persist(call) == "dead"
    long = f"services.namespace.group.{'GenerateSomethingVeryLong' * 4}"
    type(call).objects.filter(pk=call.pk).update(service_identity=long)
    console.goto(f"{live_server.url}{reverse('admin:orchestration_servicecallrecord_change', args=(call.pk,))}")
    assert wider_than(console, 390) == []


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_a_copy_button_stays_beside_its_id(console: Any, live_server: Any, width: int) -> None:
    """On its line, and over no label: in a list, and in a sentence that names many."""
    for _ in range(5):
        persist(note(one_message))
    run = freeze(REVERT, {})
    console.set_viewport_size({"width": width, "height": 844})
    console.goto(f"{live_server.url}{reverse('admin:persistence_bulkrun_change', args=(run.pk,))}")
    console.locator("[data-copy]").nth(4).wait_for()
    for narrower in range(0, 80, 8):
        console.set_viewport_size({"width": width - narrower, "height": 844})
        assert console.evaluate(APART) == 0


def test_labels_of_a_list_on_a_phone_are_whole(console: Any, live_server: Any) -> None:
    """In sentence case, as above the columns of a wide screen, and nothing lies over them."""
    succeeded()
    failed()
    console.set_viewport_size({"width": 390, "height": 844})
    console.goto(f"{live_server.url}{LIST}")
    cell = console.locator("#result_list [data-label=Call]").first
    button = cell.locator("[data-copy]")
    button.wait_for(state="attached")
    shown_id = cell.locator("[data-id]").bounding_box()
    assert button.bounding_box()["x"] >= shown_id["x"] + shown_id["width"] - 1
    shown = console.locator("#result_list [data-label]").evaluate_all(
        "cells => cells.map(it => [it.dataset.label, getComputedStyle(it, '::before').textTransform])"
    )
    assert {transform for _, transform in shown} == {"none"}
    assert all(label == label[:1].upper() + label[1:].lower() for label, _ in shown)
