"""What the menu of the console holds, in the order of a night: at most sixteen entries, and behind three of them a page
that lists the rest. Tables that only serve others are reached from their parents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from string import ascii_lowercase

from persistence.admin.base import VIEW_CALLS
from persistence.approval.waiting import waiting

MOST_ENTRIES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the menu, or of a page that lists what the menu has no room for."""

    title: str = ""
    """Of a model: its own name, when this is empty."""
    icon: str = ""
    model: str = ""
    """`app.Model`, whose list it opens; shown to those who may see the list."""
    page: str = ""
    """The name of a page, when it is not a list of a model: `admin:…`."""
    arguments: tuple[str, ...] = ()
    permission: str = ""
    """`app.codename`, that the page needs."""
    children: tuple[str, ...] = ()
    """Models whose pages belong to this entry and are reached from its own."""
    badge: Callable[[], str] | None = None
    """How many things wait there, in a few characters; empty for none."""
    key: str = ""
    """The letter that opens it behind `g`; `letters` finds one for an entry of the menu that names none."""


@dataclass(slots=True, kw_only=True)
class Index:
    """A page of links to lists that the menu has no room for."""

    title: str
    icon: str
    pages: tuple[Entry, ...] = ()
    """Its pages that are not lists, first."""
    models: list[str] = field(default_factory=list)
    """`app.Model`, in their order."""


PROMPTS, PLATFORM, ACCESS = "prompts", "platform", "access"
INDEXES: dict[str, Index] = {
    PROMPTS: Index(
        title="Prompts and schemas",
        icon="edit_note",
        pages=(
            Entry(
                title="Schemas and handlers", icon="schema", page="admin:persistence_upgrades", permission=VIEW_CALLS
            ),
        ),
        models=["orchestration.PromptText", "orchestration.ModelPrice"],
    ),
    PLATFORM: Index(title="Platform", icon="apps"),
    ACCESS: Index(
        title="Access",
        icon="group",
        pages=(
            Entry(
                title="Erase a person",
                icon="person_remove",
                page="admin:persistence_erase",
                permission="persistence.erase_subject",
            ),
        ),
        models=["auth.User", "auth.Group", "persistence.Erasure"],
    ),
}
"""By the end of their address. PLATFORM has all that is nowhere else."""


def _index(slug: str, key: str) -> Entry:
    index = INDEXES[slug]
    return Entry(title=index.title, icon=index.icon, page="admin:persistence_menu", arguments=(slug,), key=key)


LETTERS = ascii_lowercase.replace("g", "")
"""Those that open a page; behind `g` another one begins again."""
GATEWAY = "Gateway"
MENU: list[tuple[str, list[Entry]]] = [
    (
        "",
        [
            Entry(title="Overview", icon="monitoring", page="admin:index", key="o"),
            Entry(
                title="Calls",
                key="c",
                icon="swap_calls",
                model="orchestration.ServiceCallRecord",
                children=("orchestration.AIRequestAudit", "orchestration.AIResponseAudit"),
            ),
            Entry(title="Approvals", key="q", icon="fact_check", model="persistence.Hold", badge=waiting),
            Entry(
                title="Dead letters",
                key="d",
                icon="mail_off",
                page="admin:persistence_dead_letters",
                permission=VIEW_CALLS,
                children=("persistence.PersistedPart", "persistence.PersistenceDeath"),
            ),
            Entry(title="Held back", key="h", icon="front_hand", page="admin:persistence_held", permission=VIEW_CALLS),
            Entry(
                title="Bulk runs",
                key="b",
                icon="conveyor_belt",
                model="persistence.BulkRun",
                children=("persistence.BulkItem",),
            ),
            Entry(
                title="Objects",
                key="r",
                icon="deployed_code",
                model="persistence.PersistedObject",
                children=("persistence.PersistedChunk",),
            ),
        ],
    ),
    (
        "Traffic",
        [
            Entry(
                title="Workers",
                key="w",
                icon="dns",
                model="orchestration.WorkerNode",
                children=("orchestration.EngineCounter", "persistence.DrainWake"),
            ),
            Entry(title="Pauses", key="p", icon="pause_circle", model="orchestration.Pause"),
            Entry(
                title="Limits",
                key="l",
                icon="speed",
                model="orchestration.RateLimit",
                children=("orchestration.ProviderCircuit",),
            ),
        ],
    ),
    ("", [_index(PROMPTS, "t")]),
    (GATEWAY, []),
    ("", [_index(PLATFORM, "f"), _index(ACCESS, "a")]),
]
"""(title of the group, its entries)."""

ICONS = {
    "orchestration.AIRequestAudit": "upload",
    "orchestration.AIResponseAudit": "download",
    "orchestration.EngineCounter": "pin",
    "orchestration.ProviderCircuit": "electrical_services",
    "orchestration.ModelPrice": "payments",
    "orchestration.PromptText": "edit_note",
    "persistence.PersistedChunk": "inventory_2",
    "persistence.PersistedPart": "account_tree",
    "persistence.BulkItem": "checklist",
    "persistence.PersistenceDeath": "heart_broken",
    "persistence.DrainWake": "alarm",
    "persistence.RetentionMark": "event_available",
    "persistence.RetentionHeld": "lock_clock",
    "persistence.Erasure": "delete_forever",
    "django_q.Schedule": "schedule",
    "django_q.Success": "task_alt",
    "django_q.Failure": "error",
    "django_q.OrmQ": "list",
    "auth.User": "person",
    "auth.Group": "group",
}
OTHER_ICON = "data_object"


def add_entries(group: str, *entries: Entry) -> None:
    """Add entries to the end of a group of the menu; ValueError when there is no such group, no room, or another entry
    has the key of one.

    For an app's `admin` module: commands and workers need no menu. What needs more room goes to an index
    (`add_to_index`).
    """
    found = next((listed for title, listed in MENU if title == group and group), None)
    if found is None:
        raise ValueError(
            f"The menu has no group {group!r}; there are {', '.join(title for title, _ in MENU if title)}."
        )
    known = [each for each in entries if each not in found]
    if sum(len(listed) for _, listed in MENU) + len(known) > MOST_ENTRIES:
        raise ValueError(f"The menu has at most {MOST_ENTRIES} entries: use add_to_index.")
    taken = {entry.key: entry.title for _, listed in MENU for entry in listed if entry.key}
    for each in known:
        if each.key in taken:
            raise ValueError(f"The key {each.key!r} opens {taken[each.key]!r} already.")
    found += known


def add_to_index(slug: str, *models: str, icons: dict[str, str] | None = None) -> None:
    """List models (`app.Model`) on one of INDEXES; with `icons` by model."""
    INDEXES[slug].models += [label for label in models if label not in INDEXES[slug].models]
    ICONS.update(icons or {})


def letters() -> dict[Entry, str]:
    """The letter that opens each entry of the menu behind `g`: its own, else a free one of its title, else any."""
    entries = [entry for _, listed in MENU for entry in listed]
    found = {entry: entry.key for entry in entries if entry.key}
    for entry in entries:
        if entry not in found:
            name = (entry.title or entry.model.rpartition(".")[2]).lower()
            free = [letter for letter in name + LETTERS if letter in LETTERS and letter not in found.values()]
            found[entry] = free[0]
    return found


def placed() -> set[str]:
    """The models that have a place in the menu or on an index of their own."""
    entries = [entry for _, listed in MENU for entry in listed]
    return {entry.model for entry in entries if entry.model} | {
        label for index in INDEXES.values() for label in index.models
    }


def listed_on(slug: str) -> Iterator[Entry]:
    """What an index lists, without what comes to it by being nowhere else."""
    yield from INDEXES[slug].pages
    for label in INDEXES[slug].models:
        yield Entry(icon=ICONS.get(label, OTHER_ICON), model=label)


def with_icon(label: str) -> Entry:
    return replace(Entry(model=label), icon=ICONS.get(label, OTHER_ICON))
