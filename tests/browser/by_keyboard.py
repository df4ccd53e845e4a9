"""Somebody without a mouse: what is focused is where Tab leads, and it is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse

from tests.browser.chatting import SIZES
from tests.browser.conftest import PASSWORD

MOST_STOPS = 60
"""Of Tab on the way to anything, from the start of the content or from where one is."""
WAY = """target => {
    const at = document.activeElement;
    if (at === target) return '';
    return at.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_PRECEDING ? 'Shift+Tab' : 'Tab';
}"""
SEEN = """target => {
    if (!target.isConnected) return ''; // a refresh was faster
    const box = target.getBoundingClientRect();
    const [x, y] = [box.left + Math.min(box.width, 40) / 2, box.top + box.height / 2];
    const top = document.elementFromPoint(x, y);
    if (!top) return `outside of the screen, at ${x} ${y}`;
    const isOwn = target.contains(top) || top.contains(target) || [...target.labels ?? []].includes(top);
    return isOwn ? '' : `under ${top.outerHTML.slice(0, 160)}`;
}"""
RING = """target => {
    const [style, row] = [target, target.closest('tr:focus-within') ?? target].map(it => getComputedStyle(it));
    const isOutlined = [style, row].some(it => it.outlineStyle !== 'none' && parseFloat(it.outlineWidth));
    return Boolean(isOutlined || style.boxShadow.includes('inset') || style.textDecorationLine === 'underline');
}"""


@dataclass
class Keyboard:
    """Drives a page of the console by keys alone."""

    page: Any

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def sign_in(self, server: str, email: str) -> None:
        """On the overview afterwards."""
        index = f"{server}{reverse('admin:index')}"
        self.page.goto(index)
        self.fill(self.page.get_by_label("Email address"), email)
        self.fill(self.page.get_by_label("Password"), PASSWORD)
        self.press("Enter")
        self.page.wait_for_url(index)

    def go(self, letter: str) -> None:
        """To a page of the menu, by `g` and its letter; or to the same page again."""
        with self.page.expect_navigation():
            self.press("g", letter)

    def skip_menu(self) -> None:
        """To the rows of a list, or to the content of a page, by its first stop."""
        self.press("Tab", "Enter")

    def reach(self, target: Any) -> None:
        """By Tab, or back; the test fails when it does not get there, or when nobody sees that it did."""
        target.wait_for()
        for _ in range(MOST_STOPS):
            way = target.evaluate(WAY)
            if not way:
                break
            self.press(way)
        else:
            at = self.page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
            pytest.fail(f"{target} is not reached within {MOST_STOPS} stops; the focus is on {at}")
        hidden = target.evaluate(SEEN)
        assert not hidden, f"{target} has the focus, but is {hidden}"
        assert target.evaluate(RING), f"{target} has the focus, and nothing shows it"

    def enter(self, target: Any) -> None:
        self.reach(target)
        self.press("Enter")

    def tick(self, target: Any) -> None:
        self.reach(target)
        self.press("Space")

    def fill(self, target: Any, text: str) -> None:
        self.reach(target)
        self.press("Control+a")
        self.write(text)

    def choose(self, target: Any, value: str) -> None:
        """An option of a list, by its arrow keys."""
        self.reach(target)
        self.press("Home")
        for _ in range(target.locator("option").count()):
            if target.input_value() == value:
                return
            self.press("ArrowDown")
        assert target.input_value() == value

    def resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": SIZES[width]})
