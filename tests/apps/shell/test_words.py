"""Pages and messages are in plain clinical English: “will appear here”, “Regenerate”, “Resume”, “History”."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent
ODD = re.compile(
    r"\b(?:stands? here|will stand|comes? here|anew|so far|goes on|go on|let it go|write it new|one a line"
    r"|is to do|it is made of|whoever|only there while|asks everybody|died too often|feels accordingly"
    r"|the answer came|is assigned yet|any more)\b|(?<!there )\b(?:is|are) no (?!longer\b|later\b|more\b|other\b)",
    re.IGNORECASE,
)
"""Where somebody once wrote so, there are plainer words: resume, continue, one per line, no longer, yet, is not a."""
TRANSLATED = re.compile(
    r"\b(?:anew|any more|(?:go|goes|going|went) on)\b"
    r"|(?<!there )\b(?:is|are) no (?!longer\b|later\b|more\b|other\b)",
    re.IGNORECASE,
)
"""What docstrings, comments and documents have plainer words for, too."""
NOT_FOR_PEOPLE = ("migrations", "simulator", "prompts", "orca", "prompt_sets", "demo", "gateway", "devtools", "tests")
"""What models and programs read, and what a simulated patient says."""
FROZEN = {"What an unfinished export has stored so far."}
"""Help texts of columns, which migrations repeat."""
TAGS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]+>", re.DOTALL)
SAID = re.compile(r"""\b(?:placeholder|title|aria-label|alt)="([^"]*)\"""")


def said_by_templates() -> Iterator[tuple[str, str]]:
    """The texts of every template of the product, and what is read out of its attributes."""
    folders = [ROOT / "templates", *(ROOT / name for name in ("apps", "orchestration", "persistence"))]
    for path in (path for folder in folders for path in sorted(folder.rglob("*.*"))):
        if "templates" in path.parts and path.suffix in {".html", ".txt"}:
            source = path.read_text()
            yield str(path.relative_to(ROOT)), " ".join([TAGS.sub("\n", source), *SAID.findall(source)])


def said_by_code() -> Iterator[tuple[str, str]]:
    """The texts of the modules, without docstrings."""
    folders = [ROOT / name for name in ("apps", "orchestration", "persistence", "config")]
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        if not set(NOT_FOR_PEOPLE) & set(path.parts):
            place = path.relative_to(ROOT)
            yield from ((f"{place}:{line}", text) for line, text in texts(path.read_text()) if text not in FROZEN)


def texts(source: str) -> list[tuple[int, str]]:
    """Strings with a blank in them, with their lines; those that are statements are docstrings."""
    tree = ast.parse(source)
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if " " in node.value and id(node) not in documented
    ]


def said_by_scripts() -> Iterator[tuple[str, str]]:
    for path in sorted([*(ROOT / "apps").rglob("static/**/*.js"), *(ROOT / "static/site").glob("*.js")]):
        code = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
        yield str(path.relative_to(ROOT)), re.sub(r"\s//.*$", "", code, flags=re.MULTILINE)


def said_to_developers() -> Iterator[tuple[str, str]]:
    """Each line of the product's modules and of the documents."""
    folders = [ROOT / name for name in ("apps", "orchestration", "persistence", "config", "docs")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".md"}]
    for path in sorted([*paths, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]):
        if not {"migrations", "simulator", "orca", "prompt_sets", "demo"} & set(path.parts):
            place = path.relative_to(ROOT)
            yield from ((f"{place}:{line}", text) for line, text in enumerate(path.read_text().splitlines(), 1))


def test_developers_are_told_in_plain_words() -> None:
    said = list(said_to_developers())
    assert len(said) > 1000
    odd = [f"{place}: {found[0]}" for place, text in said for found in TRANSLATED.finditer(text)]
    assert not odd, "\n".join(odd)


def test_the_test_sees_odd_words() -> None:
    source = 'def f():\n    """So far."""\n    return f"Write it anew, {x}"\n'
    assert [text for _, text in texts(source) if ODD.search(text)] == ["Write it anew, "]
    assert ODD.search("The result stands here.")
    assert not ODD.search("Results of what you order will appear here.")


@pytest.mark.parametrize(
    "read", [said_by_templates, said_by_code, said_by_scripts], ids=lambda read: str(read.__name__)
)
def test_nothing_is_said_oddly(read) -> None:  # type: ignore[no-untyped-def]
    said = list(read())
    assert len(said) > 5
    odd = [f"{place}: {found[0]} in “{text[max(0, found.start() - 40) : found.end() + 20]}”"
           for place, text in said for found in ODD.finditer(text)]  # fmt: skip
    assert not odd, "\n".join(odd)


def test_the_words_of_the_product_are_in_use() -> None:
    said = " ".join(text for _, text in said_by_templates())
    for word in ("will appear here", "Regenerate", "Resume", "History", "Try again"):
        assert word in said, word
