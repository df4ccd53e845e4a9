"""Finding components: every module of `{app}.orca` is imported, once, for every installed app."""

from __future__ import annotations

import importlib
import importlib.util
import traceback
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path

from django.apps import apps

from orchestration.errors import BrokenComponent, OrchestrationError
from orchestration.isolation import isolated

PACKAGE = "orca"


def discover() -> list[str]:
    """Import `{app}.orca` and every module below it; returns the imported names.

    An app without the package is skipped. BrokenComponent names the first module that cannot be imported.
    """
    names: list[str] = []
    for config in apps.get_app_configs():
        names += import_tree(f"{config.name}.{PACKAGE}")
    return names


def import_tree(name: str) -> list[str]:
    """Import a package and everything below it, alphabetically; [] when nothing has this name.

    Only the package itself may be missing: that is asked of the finders, so a module that is missing *inside* is
    an error like any other. Folders without `__init__.py` count too. BrokenComponent has the error as its cause.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        return []
    with isolated() as run:
        importlib.import_module(name)
    if run.error is not None:
        raise BrokenComponent(f"{name} cannot be imported: {_explain(run.error, spec)}.") from run.error
    names = [name]
    for child in _children(spec.submodule_search_locations or ()):
        names += import_tree(f"{name}.{child}")
    return names


TELLING = (ImportError, NameError, AttributeError, OrchestrationError)
"""Errors whose messages name code. Those of others may hold anything that the module read."""


def _explain(error: Exception, spec: ModuleSpec) -> str:
    """The line of the module, the error, and where it was raised, if that is in another file."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, {Path(error.filename or '').name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if frame.filename == spec.origin]
    last = next((frame for frame in reversed(frames) if not frame.filename.startswith("<frozen")), None)
    place = f"line {own[-1]}: " if own else ""
    elsewhere = f" ({Path(last.filename).name}:{last.lineno})" if last and last.filename != spec.origin else ""
    message = f": {str(error).rstrip('.')}" if isinstance(error, TELLING) else ""
    return f"{place}{type(error).__name__}{message}{elsewhere}"


def _children(folders: Iterable[str]) -> list[str]:
    """Names of the modules and packages in these folders."""
    names = set()
    for entry in (entry for folder in folders for entry in Path(folder).iterdir()):
        is_module = entry.suffix == ".py" and entry.stem != "__init__"
        is_package = entry.is_dir() and any(entry.rglob("*.py"))
        child = entry.stem if is_module else entry.name
        if (is_module or is_package) and child.isidentifier():
            names.add(child)
    return sorted(names)
