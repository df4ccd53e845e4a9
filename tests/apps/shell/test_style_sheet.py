"""The pages look like the console: same greys, same accent, same type, from one style sheet."""

from __future__ import annotations

import re
from pathlib import Path

from django.contrib.staticfiles import finders
from unfold.settings import CONFIG_DEFAULTS

from config.theme import UNFOLD

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SHEET = (ROOT / "static/site/site.css").read_text()
OTHERS = [*(ROOT / "apps").rglob("static/**/*.css"), ROOT / "static/site/design.css"]
TRAINING = "apps/training/static/training"
TOGETHER = ("static/site/site.css", f"{TRAINING}/training.css", f"{TRAINING}/directing.css")
"""The sheets that one page loads."""
RULE = re.compile(r"([^{}]+)\{[^{}]*\}")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
GIVEN = ("flag-", "hue-", "show-", "htmx-", "uppercase")
"""How classes begin whose names hold a value, or that a library or the console's theme gives."""


def test_the_colours_are_those_of_the_consoles_theme() -> None:
    colours = {**CONFIG_DEFAULTS["COLORS"], **UNFOLD["COLORS"]}
    for name in ("base", "primary"):
        ours = dict(re.findall(rf"--{name}-(\d+): ([^;]+);", SHEET))
        assert len(ours) >= 8
        assert ours == {weight: colours[name][weight] for weight in ours}, name


def test_the_type_is_that_of_the_console_and_comes_from_here() -> None:
    files = re.findall(r'url\("\.\./([^"]+)"\)', SHEET)
    assert len([file for file in files if "Inter" in file]) == 4
    assert all(finders.find(file) for file in files), files
    assert finders.find("unfold/fonts/inter/LICENSE")
    assert not re.findall(r"https?://", SHEET)


def test_every_property_that_is_used_is_defined() -> None:
    defined = set(re.findall(r"(--[\w-]+):", SHEET))
    for sheet in [ROOT / "static/site/site.css", *OTHERS]:
        text = sheet.read_text()
        used = set(re.findall(r"var\((--[\w-]+)\)", text))
        assert used <= defined | set(re.findall(r"(--[\w-]+):", text)), sheet.name


def selectors(sheet: Path) -> set[tuple[str, str]]:
    """The selectors of a sheet, each with the condition that it stands under."""
    found, text = set(), COMMENT.sub("", sheet.read_text())
    for block in re.split(r"(?m)^(?=@media|@supports)", text):
        condition, _, rest = block.partition("{") if block.startswith("@") else ("", "", block)
        nested, _, after = rest.partition("\n}") if block.startswith("@") and "\n" in rest else (rest, "", "")
        for where, rules in ((condition.strip(), nested), ("", after)):
            for heads in RULE.findall(rules):
                found |= {(where, head.strip()) for head in re.split(r",(?![^(]*\))", heads)}
    return found


def test_a_component_is_styled_in_one_sheet() -> None:
    """Where two sheets of a page style the same, whoever reads one of them sees half of it."""
    sheets = [selectors(ROOT / name) for name in TOGETHER]
    assert all(len(sheet) > 100 for sheet in sheets)
    for number, sheet in enumerate(sheets):
        for other in sheets[number + 1 :]:
            assert sheet & other == set()


def test_every_class_that_is_styled_is_in_use() -> None:
    """A rule that nothing uses is one that something may come to use by accident."""
    files = (file for place in ("templates", "apps", "static") for file in (ROOT / place).rglob("*.*"))
    source = " ".join(file.read_text() for file in files if file.suffix in {".html", ".js", ".py"})
    words = set(re.findall(r"[A-Za-z][\w-]*", source))
    for sheet in [ROOT / "static/site/site.css", ROOT / "static/site/console.css", *OTHERS]:
        classes = set(re.findall(r"\.([A-Za-z][\w-]*)", COMMENT.sub("", sheet.read_text())))
        unused = {name for name in classes - words if not name.startswith(GIVEN)}
        assert unused == set(), sheet.name


def test_people_have_the_same_colours_in_the_console() -> None:
    console = (ROOT / "static/site/console.css").read_text()
    hues = re.findall(r"(\.avatar\.hue-\d) \{ background: light-dark\((oklch\([^)]*\)), (oklch\([^)]*\))\)", SHEET)
    assert len(hues) == 6
    for hue, light, dark in hues:
        assert f"\n{hue} {{ background: {light}; }}" in console
        assert f".dark {hue} {{ background: {dark}; }}" in console


def test_only_the_one_style_sheet_says_what_colours_are() -> None:
    """A page of an app that names its own would not follow the theme."""
    for sheet in OTHERS:
        screen = sheet.read_text().partition("@media print")[0]
        found = re.findall(r"#[0-9a-fA-F]{3,8}\b|oklch\([^)]*\)|rgb\([^)]*\)", screen)
        assert found == [], f"{sheet.name} has colours of its own; use a property of site.css"
