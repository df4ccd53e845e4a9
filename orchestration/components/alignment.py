"""What a service is wired to: by explicit attribute first, otherwise by alignment (namespace, group and stem)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from orchestration.components.identity import CODECS, PROMPTS, SCHEMAS, Identity, stem
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import Registry, registry_for
from orchestration.components.service import Service, Wiring
from orchestration.components.text_paths import leads_to_text, steps_of
from orchestration.components.tools import described, runnable
from orchestration.errors import ComponentDefinitionError, ComponentNotFound, IdentityError, NotConfigured

ProblemKind = Literal["unknown", "ambiguous", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WiringProblem:
    """Something that could not be wired; a system check reports it, and using the component raises it."""

    component: str
    """Identity of the component that has the problem."""
    kind: ProblemKind
    message: str
    hint: str


class Unwired:
    """The value of `Service.wiring` until the service is wired; reading it raises the reason."""

    def __init__(self, problems: Iterable[WiringProblem] = ()) -> None:
        self.problems = tuple(problems)

    def __get__(self, instance: object, owner: type) -> NoReturn:
        if self.problems:
            raise ComponentDefinitionError(" ".join(f"{p.message} {p.hint}" for p in self.problems))
        raise NotConfigured(
            f"{owner.__module__}.{owner.__qualname__} is not wired: OrchestrAI has not started. "
            "`manage.py check` says why."
        )


def wire(service: type[Service]) -> Wiring:
    """Find the service's schema, sections and codec and set `service.wiring`; returns it.

    What cannot be found raises ComponentDefinitionError now and whenever `service.wiring` is read.
    """
    _set(service, *plan_wiring(service))
    return service.wiring


def wire_all(services: Iterable[type[Service]]) -> list[WiringProblem]:
    """Wire every service; returns the problems of those that could not be."""
    found: list[WiringProblem] = []
    for service in services:
        wiring, problems = plan_wiring(service)
        _set(service, wiring, problems)
        found += problems
    return found


def plan_wiring(service: type[Service]) -> tuple[Wiring, list[WiringProblem]]:
    """What the service would be wired to, and what prevents it; changes nothing."""
    finder = _Finder(service)
    wiring = Wiring(
        schema=finder.one(SCHEMAS, "schema", service.schema),
        sections=finder.sections(),
        codec=finder.one(CODECS, "codec", service.codec),
        tools=runnable(service.tools),
        described_tools=described(service.tools),
    )
    if not finder.problems:
        finder.check_stream(wiring)
    return wiring, finder.problems


def aligned(component: type, identity: Identity, registry: Registry) -> dict[Identity, type]:
    """The components of a registry that share the namespace, the group and a stem with this one."""
    wanted = _stems(component, identity)
    return {
        key: other
        for key, other in registry.filter(namespace=identity.namespace, group=identity.group).items()
        if wanted & _stems(other, key)
    }


def _stems(component: type, identity: Identity) -> frozenset[str]:
    """The stem of the class name, and that of an explicit name when the identity has one."""
    return frozenset({stem(component.__name__), stem(identity.name)})


def _set(service: type[Service], wiring: Wiring, problems: list[WiringProblem]) -> None:
    value: Any = Unwired(problems) if problems else wiring
    service.wiring = value


class _Finder:
    """Looks up what one service refers to and collects what it cannot find."""

    def __init__(self, service: type[Service]) -> None:
        self.service = service
        self.identity = service.identity
        self.problems: list[WiringProblem] = []

    def one(self, domain: str, attribute: str, declared: object) -> Any:
        """The component that `attribute` names, else the aligned one, else None."""
        registry = registry_for(domain)
        if declared is not None:
            return self._declared(registry, attribute, declared)
        found = aligned(self.service, self.identity, registry)
        if len(found) > 1:
            self._ambiguous(attribute, found)
            return None
        return next(iter(found.values()), None)

    def sections(self) -> tuple[type[PromptSection], ...]:
        plan = self.service.prompt_plan
        if plan is None:
            section = self.one(PROMPTS, "prompt_plan", None)
            return (section,) if section else ()
        registry = registry_for(PROMPTS)
        found = [self._declared(registry, "prompt_plan", entry) for entry in plan]
        return tuple(section for section in found if section is not None)

    def check_stream(self, wiring: Wiring) -> None:
        """The text that is streamed must be one of the answer."""
        stream, schema = self.service.stream, wiring.schema
        if stream is False:
            return
        if schema is None and stream is not True:
            self._problem("other", f"stream names {stream}, and its answers have no schema.", "Set stream = True.")
        elif schema is not None and stream is True:
            what = f"stream is True, and its answers are the JSON of {schema.identity}."
            self._problem("other", what, 'Name the text in it that is streamed: stream = "reply", "messages[].text".')
        elif schema is not None and not leads_to_text(schema.strict.json_schema, steps_of(str(stream))):
            what = f"stream names {stream}, where {schema.identity} has no text."
            self._problem("other", what, "Name a text: its fields with dots between, `[]` after a list.")

    def _declared(self, registry: Registry, attribute: str, declared: object) -> Any:
        if isinstance(declared, type):
            return self._registered(registry, attribute, declared)
        try:
            return registry.get(declared)
        except (ComponentNotFound, IdentityError) as error:
            self._problem("unknown", f"{attribute} refers to {declared!r}: {error}", "Correct the identity.")
            return None

    def _registered(self, registry: Registry, attribute: str, declared: type) -> Any:
        """A class counts when it is the one that is registered under its own identity."""
        if declared in registry.all().values():
            return declared
        self._problem(
            "unknown",
            f"{attribute} refers to {declared.__module__}.{declared.__qualname__}, which is not registered "
            f"in {registry.domain}.",
            f"Decorate the class (the registry of {registry.domain} is filled by its decorator).",
        )
        return None

    def _ambiguous(self, attribute: str, found: Iterable[Identity]) -> None:
        self._problem(
            "ambiguous",
            f"{attribute} is not set, and more than one component aligns: {', '.join(map(str, found))}.",
            f"Set `{attribute}` on the service.",
        )

    def _problem(self, kind: ProblemKind, what: str, hint: str) -> None:
        self.problems.append(
            WiringProblem(component=str(self.identity), kind=kind, message=f"{self.identity}: {what}", hint=hint)
        )
