"""Hooks of mkdocs: the pages beside the folder docs/, the reference, and links between all of them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import django
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from documentation.reference import pages as reference  # noqa: E402 - needs Django's apps

BESIDE = {"README.md": "quickstart.md", "CONTRIBUTING.md": "contributing.md"}
"""Documents outside docs/, by the page that they become."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Any, *, config: Any) -> Any:
    """Add the documents beside docs/ and the generated reference."""
    pages = {page: (ROOT / source).read_text() for source, page in BESIDE.items()}
    for name, text in {**pages, **reference()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Links that are right in the repository, as they are right in the site."""
    here = page.file.src_uri
    source = next((name for name, made in BESIDE.items() if made == here), None)
    folder = ROOT if source else (ROOT / "docs" / here).parent

    def moved(match: re.Match[str]) -> str:
        target, anchor = match.group(1), match.group(2) or ""
        found = (folder / target).resolve()
        if here.startswith("reference/") or not found.exists():
            return match.group(0)  # the strict build says which is wrong
        return f"]({_in_site(found, Path(here).parent)}{anchor})"

    return LINK.sub(moved, markdown)


def _in_site(found: Path, folder: Path) -> str:
    """The path of a document or picture from a page in `folder`."""
    named = found.relative_to(ROOT).as_posix()
    return os.path.relpath(BESIDE.get(named, named.removeprefix("docs/")), folder)
