"""Seams by which another package adds to the engine's pages: actions of lists, buttons on a call's page, and the door
to work over more calls than a page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin as UnfoldModelAdmin

from orchestration.models import ServiceCallRecord

Run = Callable[["ModelAdmin[Any]", HttpRequest, QuerySet[Any]], HttpResponse | None]
"""What an action does with the rows of a list; these are all that match when `matches_all(request)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAction:
    """An action of a list, offered to those who have `permission` (`app.codename`)."""

    name: str
    title: str
    permission: str
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A link on a call's page to something that can be done with it."""

    title: str
    url: str
    icon: str = ""


CallButtons = Callable[[HttpRequest, ServiceCallRecord], Iterable[Button]]
BulkDoor = Callable[[HttpRequest, str, QuerySet[Any]], HttpResponse]
"""Takes the name of an operation and all rows that match."""

if TYPE_CHECKING:
    Base = UnfoldModelAdmin
else:
    Base = object

_actions: dict[type[Model], dict[str, ListAction]] = {}
_call_buttons: list[CallButtons] = []
_bulk_doors: list[BulkDoor] = []


def add_list_action(model: type[Model], action: ListAction) -> None:
    """Offer an action on the list of a model; doing it again replaces it."""
    _actions.setdefault(model, {})[action.name] = action


class AddedActions(Base):
    """A list with the actions that other packages add to its model."""

    @property
    def selects_all_matching(self) -> bool:
        """Those may be asked for on all rows that match the filter."""
        return self.model in _actions

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        return found | {added.name: (added.run, added.name, added.title) for added in list_actions(request, self.model)}


def list_actions(request: HttpRequest, model: type[Model]) -> list[ListAction]:
    """The added actions that this person may use."""
    return [action for action in _actions.get(model, {}).values() if request.user.has_perm(action.permission)]


def add_call_buttons(build: CallButtons) -> CallButtons:
    """Add buttons to the page of every call; doing it again changes nothing. A decorator, too."""
    if build not in _call_buttons:
        _call_buttons.append(build)
    return build


def call_buttons(request: HttpRequest, call: ServiceCallRecord) -> list[Button]:
    """What other packages offer to do with this call."""
    return [button for build in _call_buttons for button in build(request, call)]


def add_bulk_door(door: BulkDoor) -> BulkDoor:
    """Say who carries an operation out over all that match. A decorator, too."""
    _bulk_doors[:] = [door]
    return door


def bulk_door() -> BulkDoor | None:
    return _bulk_doors[0] if _bulk_doors else None


def matches_all(request: HttpRequest) -> bool:
    """Whether the person chose all rows that match the list's filter, not the ticked ones."""
    return request.POST.get("select_across") == "1"
