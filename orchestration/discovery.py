"""Finding components: every module of `{app}.orca` is imported, once, for every installed app."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from django.apps import apps

PACKAGE = "orca"


def discover() -> list[str]:
    """Import `{app}.orca` and every module below it; returns the imported names.

    An app without the package is skipped. Whatever goes wrong inside a module is raised as it is, with its traceback.
    """
    names: list[str] = []
    for config in apps.get_app_configs():
        names += import_tree(f"{config.name}.{PACKAGE}")
    return names


def import_tree(name: str) -> list[str]:
    """Import a package and everything below it, alphabetically; [] when nothing has this name.

    Only the package itself may be missing: that is asked of the finders, so a module that is missing *inside* is
    an ImportError like any other. Folders without `__init__.py` count too, for nobody means them to be skipped.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        return []
    importlib.import_module(name)
    names = [name]
    for child in _children(spec.submodule_search_locations or ()):
        names += import_tree(f"{name}.{child}")
    return names


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
