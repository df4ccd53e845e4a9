"""What other packages add to the engine's pages: actions of lists, and bulk runs over all rows that match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from orchestration.operations import Operation
from orchestration.theme.parts import ModelAdmin as UnfoldModelAdmin

Run = Callable[["ModelAdmin[Any]", HttpRequest, QuerySet[Any]], HttpResponse | None]
"""What an action does with the rows of a list; these are all that match when `matches_all(request)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAction:
    """An action of a list, offered to those who have `permission` (`app.codename`)."""

    name: str
    title: str
    permission: str
    run: Run

    def allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A link on the page of a row to something that can be done with it."""

    title: str
    url: str
    icon: str = ""


BulkRunner = Callable[["ModelAdmin[Any]", HttpRequest, Operation, QuerySet[Any]], HttpResponse | None]
"""Starts an operation on the rows of an action, for workers to carry out."""

if TYPE_CHECKING:
    Base = UnfoldModelAdmin
else:
    Base = object

_actions: dict[type[Model], dict[str, ListAction]] = {}
_bulk_runners: list[BulkRunner] = []


def add_list_action(model: type[Model], action: ListAction) -> None:
    """Offer an action on the list of a model; doing it again replaces it."""
    _actions.setdefault(model, {})[action.name] = action


class ListActions(Base):
    """Actions of lists. Django 6.1 asks for those of a row's own page, too; there are buttons for that."""

    not_offered: tuple[str, ...] = ()
    """Of the site's own actions."""

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        on_page_of_row = isinstance(action_location, Enum) and action_location.value == "CHANGE_FORM"
        return {} if on_page_of_row else self.actions_of_list(request)

    def actions_of_list(self, request: HttpRequest) -> dict[str, Any]:
        """By name, as Django has them."""
        found = super().get_actions(request).items()
        return {name: action for name, action in found if name not in self.not_offered}


class AddedActions(ListActions):
    """A list with the actions that other packages add to its model."""

    @property
    def selects_all_matching(self) -> bool:
        """Whether actions may be chosen for all rows that match the filter."""
        return self.model in _actions

    def list_actions(self, request: HttpRequest) -> list[ListAction]:
        """The added actions that this person may use."""
        return [action for action in _actions.get(self.model, {}).values() if action.allowed(request)]

    def actions_of_list(self, request: HttpRequest) -> dict[str, Any]:
        added = {action.name: (action.run, action.name, action.title) for action in self.list_actions(request)}
        return super().actions_of_list(request) | added


def set_bulk_runner(runner: BulkRunner) -> BulkRunner:
    """Say who carries operations out over all calls that match. A decorator, too."""
    _bulk_runners[:] = [runner]
    return runner


def bulk_runner() -> BulkRunner | None:
    return _bulk_runners[0] if _bulk_runners else None


def matches_all(request: HttpRequest) -> bool:
    """Whether the person chose all rows that match the list's filter, not the ticked ones."""
    return request.POST.get("select_across") == "1"
