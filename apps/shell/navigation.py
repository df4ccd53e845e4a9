"""The three places of the product and the sections of each, as far as a person may open them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.models.roles import Action, Reach, Resource, reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry of the navigation. `icon` is the name of a Material Symbol."""

    url: str
    label: str
    icon: str
    current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A page of a place. `page` and `pages` are names of URLs: its own, and those of the pages that belong to it."""

    page: str
    label: str
    icon: str
    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part of the product; every path of it begins with that of `page`. `sections` are those of a person."""

    page: str
    label: str
    icon: str
    is_open_to: Callable[[User], bool]
    sections: Callable[[User], Iterable[Section]]


def everybody(user: User) -> bool:
    return True


def operates(user: User) -> bool:
    """Whether this person may open the console."""
    return user.is_active and user.is_staff


def directs(user: User) -> bool:
    """Whether this person sees the sessions of all trainees."""
    return reach(user, Action.VIEW, Resource.SESSION) is Reach.ANY


DIRECTING = (
    Section(
        page="training:board",
        label="Board",
        icon="space_dashboard",
        pages=("training:watch", "training:debrief", "training:edit_note"),
    ),
    Section(
        page="training:scenarios",
        label="Scenarios",
        icon="clinical_notes",
        pages=("training:new_scenario", "training:scenario"),
    ),
    Section(page="training:assignments", label="Assignments", icon="assignment_ind"),
    Section(page="training:invitations", label="Invitations", icon="mail"),
)
LEARNING = (
    Section(
        page="training:mine",
        label="My simulations",
        icon="stethoscope",
        pages=(
            "training:chat",
            "training:feedback",
            "training:debrief",
            "training:brief_assignment",
            "training:brief_scenario",
        ),
    ),
)
REVIEWING = (
    Section(page="consensus:new", label="New review", icon="add_circle"),
    Section(
        page="consensus:history",
        label="History",
        icon="history",
        pages=("consensus:run", "consensus:revise", "consensus:diff"),
    ),
)


def training(user: User) -> Iterable[Section]:
    return (*(DIRECTING if directs(user) else ()), *LEARNING)


def consensus(user: User) -> Iterable[Section]:
    return REVIEWING


def nothing(user: User) -> Iterable[Section]:
    """The console has a navigation of its own."""
    return ()


PLACES = (
    Place(page="training:home", label="Training", icon="stethoscope", is_open_to=everybody, sections=training),
    Place(page="consensus:history", label="Consensus", icon="balance", is_open_to=everybody, sections=consensus),
    Place(page="admin:index", label="Console", icon="hub", is_open_to=operates, sections=nothing),
)


def place_of(request: HttpRequest) -> Place | None:
    """The place that the requested page belongs to."""
    return next((place for place in PLACES if request.path.startswith(reverse(place.page))), None)


def user_of(request: HttpRequest) -> User | None:
    """Who has signed in; None, too, for a request that was refused before anybody looked who sent it."""
    user = getattr(request, "user", None)
    return user if isinstance(user, User) else None


def places(request: HttpRequest) -> list[Link]:
    """The places that this person may open; none before they have signed in."""
    user, here = user_of(request), place_of(request)
    if user is None:
        return []
    return [
        Link(url=reverse(place.page), label=place.label, icon=place.icon, current=place is here)
        for place in PLACES
        if place.is_open_to(user)
    ]


def sections(request: HttpRequest) -> list[Link]:
    """The pages of the place that is shown, and which of them the requested page belongs to."""
    user, here = user_of(request), place_of(request)
    if user is None or here is None:
        return []
    shown = request.resolver_match.view_name if request.resolver_match else ""
    found = tuple(here.sections(user))
    current = next((section for section in found if shown in {section.page, *section.pages}), None)
    return [
        Link(url=reverse(section.page), label=section.label, icon=section.icon, current=section is current)
        for section in found
    ]
