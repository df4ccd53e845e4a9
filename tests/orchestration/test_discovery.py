"""Discovery: every module below an app's `orca` package, and honest errors."""

from __future__ import annotations

import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.discovery import discover, import_tree

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
    name = package({"orca/__init__.py": "", "orca/broken.py": "import no_such_module_anywhere"})
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        import_tree(f"{name}.orca")


def test_a_missing_package_of_the_same_name_inside_is_an_error_too(package: Package) -> None:
    name = package({"orca/__init__.py": "from . import orca"})
    with pytest.raises(ImportError, match="orca"):
        import_tree(f"{name}.orca")


def test_an_error_inside_a_module_comes_with_its_place(package: Package) -> None:
    name = package({"orca/__init__.py": "", "orca/broken.py": "x = 1\nboom = 1 / 0\n"})
    with pytest.raises(ZeroDivisionError) as caught:
        import_tree(f"{name}.orca")
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename.endswith("orca/broken.py")
    assert last.lineno == 2


def test_after_an_error_the_module_is_tried_again(package: Package) -> None:
    name = package({"orca/__init__.py": "", "orca/broken.py": "raise RuntimeError"})
    for _ in range(2):
        with pytest.raises(RuntimeError):
            import_tree(f"{name}.orca")


def test_installed_apps_are_discovered_and_apps_without_components_skipped() -> None:
    names = discover()
    assert "apps.chatlab.orca" in names
    assert not any(name.startswith("django.") for name in names)
