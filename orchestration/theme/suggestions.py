"""A text field that suggests what exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestration.theme.parts import TextInputWidget

Suggestions = Callable[[], Iterable[tuple[str, str]]]


class SuggestingInput(TextInputWidget):
    """Any text may be written; the browser offers (value, label) of `suggest`, which is asked when it is shown."""

    def __init__(self, suggest: Suggestions, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs={"autocomplete": "off", **(attrs or {})})
        self._suggest = suggest

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        key = f"{(attrs or {}).get('id', name)}_suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": key}, renderer)
        options = format_html_join("", '<option value="{}">{}</option>', self._suggest())
        return format_html('{}<datalist id="{}">{}</datalist>', field, key, options)
