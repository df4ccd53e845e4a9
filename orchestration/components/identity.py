"""What a component is called: `domain.namespace.group.name`, derived from its class, its module and its decorator."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from django.apps import apps

from orchestration.errors import IdentityError

SERVICES = "services"
SCHEMAS = "schemas"
PROMPTS = "prompts"
CODECS = "codecs"
PERSIST = "persist"

DEFAULT_GROUP = "default"
MAX_STORED = 255
"""Characters of a full identity that the rows of the engine can hold."""

PARTS = ("domain", "namespace", "group", "name")
PART_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")

ROLE_PREFIXES = ("Generate",)
ROLE_SUFFIXES = ("OutputSchema", "Persistence", "Response", "Service", "Section", "Schema", "Codec")
"""Longest first: `PatientOutputSchema` loses `OutputSchema`, not `Schema`."""


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """The identity of one component. Each part has 1-128 characters of `[A-Za-z0-9_-]`; IdentityError otherwise."""

    domain: str
    namespace: str
    group: str
    name: str

    def __post_init__(self) -> None:
        check_part("domain", self.domain)
        self._check_label()

    def _check_label(self) -> None:
        check_part("namespace", self.namespace)
        check_part("group", self.group)
        check_part("name", self.name)

    def __str__(self) -> str:
        return f"{self.domain}.{self.label}"

    @property
    def label(self) -> str:
        """`namespace.group.name`."""
        return f"{self.namespace}.{self.group}.{self.name}"

    @classmethod
    def get(cls, value: object, domain: str | None = None) -> Identity:
        """The identity that `value` says: an Identity, a 4-tuple, `a.b.c.d`, or `b.c.d`.

        The last is of the given `domain`; without one it is a Label, which the registry that is asked completes.
        Raises IdentityError for anything else, and for an identity of another domain than the given one.
        """
        if isinstance(value, str):
            identity = _of_text(value, domain)
        elif isinstance(value, Label):
            identity = value if domain is None else Identity(domain, value.namespace, value.group, value.name)
        else:
            identity = value if isinstance(value, Identity) else Identity(*_parts(value))
        if domain is not None and identity.domain != domain:
            raise IdentityError(f"{identity} belongs to the domain {identity.domain!r}, not to {domain!r}.")
        return identity


@dataclass(frozen=True, slots=True, order=True)
class Label(Identity):
    """An identity without its domain, as `Identity.get("namespace.group.Name")` gives it."""

    def __post_init__(self) -> None:
        self._check_label()

    def __str__(self) -> str:
        return self.label


class DjangoIdentityMixin:
    """Base of identity mixins: a subclass sets `namespace`, `group` or both for every component that inherits it.

    Attributes that are not set do not exist: on a schema, None would become the default of a field of the same name.
    A component's final parts are in `cls.identity`.
    """

    namespace: ClassVar[str]
    group: ClassVar[str]
    name: ClassVar[str]


def derive_identity(
    cls: type,
    domain: str,
    *,
    namespace: str | None = None,
    group: str | None = None,
    name: str | None = None,
) -> Identity:
    """The identity of a class: each part from the argument, else the class attribute, else its default.

    Defaults: the label of the Django app that contains the module, `default`, the class name. Raises IdentityError
    when a part is malformed, when no app contains the module, or when the whole is too long to be stored.
    """
    own_namespace = namespace if namespace is not None else _attribute(cls, "namespace")
    identity = Identity(
        domain,
        own_namespace if own_namespace is not None else app_label_of(cls),
        _first(group, _attribute(cls, "group"), default=DEFAULT_GROUP),
        _first(name, _attribute(cls, "name"), default=cls.__name__),
    )
    if len(str(identity)) > MAX_STORED:
        raise IdentityError(
            f"{identity} has {len(str(identity))} characters; identities are stored in {MAX_STORED}. Shorten a part."
        )
    return identity


def app_label_of(cls: type) -> str:
    """The label of the Django app whose package contains the class; the innermost one, when apps are nested."""
    module = cls.__module__
    owners = [c for c in apps.get_app_configs() if module == c.name or module.startswith(f"{c.name}.")]
    if not owners:
        raise IdentityError(
            f"{module}.{cls.__qualname__} has no namespace: its module is in no app of INSTALLED_APPS. "
            "Set `namespace` on the class or in the decorator."
        )
    return max(owners, key=lambda config: len(config.name)).label


def stem(class_name: str) -> str:
    """A class name without its role affixes: `GeneratePatientInitial` and `PatientInitialCodec` → `PatientInitial`.

    Affixes go one after the other, and never the whole name.
    """
    for prefix in ROLE_PREFIXES:
        rest = class_name.removeprefix(prefix)
        if rest != class_name and rest and not rest[0].islower():
            return stem(rest)
    for suffix in ROLE_SUFFIXES:
        rest = class_name.removesuffix(suffix)
        if rest not in {class_name, ""}:
            return stem(rest)
    return class_name


def check_part(part: str, value: object) -> str:
    """Return `value` when it can be this part of an identity; IdentityError says what is wrong."""
    if not isinstance(value, str):
        raise IdentityError(f"The {part} of an identity must be a string, not {type(value).__name__}.")
    if not value:
        raise IdentityError(f"The {part} of an identity must not be empty.")
    if not PART_PATTERN.match(value):
        shown = value if len(value) <= 128 else f"{value[:32]}... ({len(value)} characters)"
        raise IdentityError(f"The {part} {shown!r} of an identity must be 1-128 characters of A-Z a-z 0-9 _ -.")
    return value


@lru_cache(maxsize=1024)
def _of_text(text: str, domain: str | None) -> Identity:
    """Cached: every call looks up the same few."""
    parts = text.split(".")
    if len(parts) == 3:
        return Identity(domain, *parts) if domain is not None else Label("", *parts)
    if len(parts) != 4:
        wanted = "domain.namespace.group.name or namespace.group.name"
        raise IdentityError(f"{text[:300]!r} is not an identity: expected {wanted}, got {len(parts)} part(s).")
    return Identity(*parts)


def _parts(value: object) -> tuple[str, str, str, str]:
    if not isinstance(value, tuple):
        raise IdentityError(f"An identity is an Identity, a 4-tuple or a string, not {type(value).__name__}.")
    if len(value) != 4:
        raise IdentityError(f"An identity tuple has 4 parts ({', '.join(PARTS)}), not {len(value)}.")
    return value


def _attribute(cls: type, part: str) -> str | None:
    """A class attribute of the identity, from whichever base sets it; instance fields of that name do not count."""
    for base in cls.__mro__:
        value = vars(base).get(part)
        if value is not None and not inspect.isdatadescriptor(value) and not inspect.isroutine(value):
            return check_part(part, value)
    return None


def _first(*values: str | None, default: str) -> str:
    return next((value for value in values if value is not None), default)
