"""Notes that other code runs: when the source of a component is not what it was at the last start of a node."""

from __future__ import annotations

from orchestration.components.fingerprints import fingerprint
from orchestration.components.lifecycle import ensure_autostarted
from orchestration.components.registry import all_registries
from orchestration.models.engine_events import EngineEvent, EventKind

NAMED = 5
_noted: list[str] = []


def note_deployment() -> bool:
    """Compare the components of this process with those of the last deployment that was noted; True when they differ,
    which is noted then. Looks once in a process."""
    if _noted:
        return False
    ensure_autostarted()
    present = sources()
    _noted.append("looked")
    last = EngineEvent.objects.filter(kind=EventKind.DEPLOYMENT).order_by("-id").first()
    before: dict[str, str] = {} if last is None else dict(last.detail)
    changed = sorted(name for name in {*present, *before} if present.get(name) != before.get(name))
    if changed:
        EngineEvent.note(EventKind.DEPLOYMENT, _said(changed, is_first=last is None), {**present})
    return bool(changed)


def forget_deployment() -> None:
    """Look again when next asked."""
    _noted.clear()


def sources() -> dict[str, str]:
    """{identity: mark of its code} of every component."""
    return {
        str(identity): fingerprint(component)
        for registry in all_registries()
        for identity, component in registry.all().items()
    }


def _said(changed: list[str], *, is_first: bool) -> str:
    if is_first:
        return f"{len(changed)} components, the first time"
    named = ", ".join(name.rpartition(".")[2] for name in changed[:NAMED])
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"{named}{more}"
