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


def test_only_the_one_style_sheet_says_what_colours_are() -> None:
    """A page of an app that names its own would not follow the theme."""
    for sheet in OTHERS:
        screen = sheet.read_text().partition("@media print")[0]
        found = re.findall(r"#[0-9a-fA-F]{3,8}\b|oklch\([^)]*\)|rgb\([^)]*\)", screen)
        assert found == [], f"{sheet.name} has colours of its own; use a property of site.css"
