"""Discovery: every module below an app's `orca` package, and honest errors."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.components.discovery import discover, import_tree
from orchestration.errors import BrokenComponent

Package = Callable[[dict[str, str]], str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Write files below a fresh importable package; returns its name."""
    name = f"found_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(tmp_path)

    def write(files: dict[str, str]) -> str:
        for path, source in {"__init__.py": "", **files}.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(source))
        return name

    yield write
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]


def test_every_module_below_the_package_is_imported_in_order(package: Package) -> None:
    name = package(
        {
            "orca/__init__.py": "",
            "orca/services/__init__.py": "",
            "orca/services/reply.py": "",
            "orca/prompts/__init__.py": "",
            "orca/prompts/sections/__init__.py": "",
            "orca/prompts/sections/name.py": "",
            "orca/notes.txt": "",
        }
    )
    below = ["", ".prompts", ".prompts.sections", ".prompts.sections.name", ".services", ".services.reply"]
    assert import_tree(f"{name}.orca") == [f"{name}.orca{path}" for path in below]
    assert f"{name}.orca.prompts.sections.name" in sys.modules


def test_a_single_module_counts_as_the_package(package: Package) -> None:
    name = package({"orca.py": "loaded = True"})
    assert import_tree(f"{name}.orca") == [f"{name}.orca"]


def test_a_folder_without_init_is_not_silently_skipped(package: Package) -> None:
    name = package({"orca/__init__.py": "", "orca/services/reply.py": ""})
    assert f"{name}.orca.services.reply" in import_tree(f"{name}.orca")


def test_a_missing_package_is_skipped(package: Package) -> None:
    assert import_tree(f"{package({})}.orca") == []


def test_a_module_that_is_missing_inside_is_an_error(package: Package) -> None:
    name = package({"orca/__init__.py": "", "orca/broken.py": "import no_such_module"})
    what = f"{name}.orca.broken cannot be imported: line 1: ModuleNotFoundError: No module named 'no_such_module'."
    with pytest.raises(BrokenComponent, match=re.escape(what)) as caught:
        import_tree(f"{name}.orca")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_missing_package_of_the_same_name_is_an_error(package: Package) -> None:
    name = package({"orca/__init__.py": "from . import orca"})
    with pytest.raises(
        BrokenComponent, match=r"orca cannot be imported: line 1: ImportError: cannot import name 'orca'"
    ):
        import_tree(f"{name}.orca")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"orca/broken.py": "x = 1\nboom = 1 / 0\n"}, "orca.broken cannot be imported: line 2: ZeroDivisionError."),
        ({"orca/broken.py": "x = 1\ndef f(:\n"}, "orca.broken cannot be imported: invalid syntax, broken.py:2."),
        (
            {"orca/broken.py": "\n\nraise ValueError('sk-secret')"},
            "orca.broken cannot be imported: line 3: ValueError.",
        ),
        (
            {"orca/broken.py": "import json\nfrom NAME import clients", "clients.py": "\nhost = HOST"},
            "orca.broken cannot be imported: line 2: NameError: name 'HOST' is not defined (clients.py:2).",
        ),
        (
            {"orca/__init__.py": "boom = 1 / 0", "orca/good.py": ""},
            "orca cannot be imported: line 1: ZeroDivisionError.",
        ),
    ],
)
def test_an_error_inside_a_module_comes_with_its_place(package: Package, files: dict[str, str], said: str) -> None:
    """The messages of errors that may hold what the module read are left out."""
    name = package({})
    package({"orca/__init__.py": "", **{path: source.replace("NAME", name) for path, source in files.items()}})
    with pytest.raises(BrokenComponent) as caught:
        import_tree(f"{name}.orca")
    assert str(caught.value) == f"{name}.{said}"


def test_after_an_error_the_module_is_tried_again(package: Package) -> None:
    name = package({"orca/__init__.py": "", "orca/broken.py": "raise RuntimeError"})
    for _ in range(2):
        with pytest.raises(BrokenComponent, match="RuntimeError"):
            import_tree(f"{name}.orca")


def test_apps_without_components_are_skipped() -> None:
    names = discover()
    assert "apps.chatlab.orca" in names
    assert [name for name in names if name.startswith("django.")] == []
