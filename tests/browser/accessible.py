"""What axe finds on a page that keeps somebody from using it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

GRAVE = {"serious", "critical"}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def problems(page: Any, *, colours_only: bool = False) -> list[str]:
    """Serious and critical findings on the page as it is shown now, one line each with the first elements.

    `colours_only`: for a page that was looked at in other colours before.
    """
    options = (
        {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}} if colours_only else None
    )
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{finding['impact']} {finding['id']}: {finding['help']}: "
        + "; ".join(f"{node['html'][:160]} {_why(node)}" for node in finding["nodes"][:3])
        for finding in found
        if finding["impact"] in GRAVE
    ]


def _why(node: dict[str, Any]) -> str:
    return " ".join(check["message"] for check in (*node["any"], *node["all"], *node["none"]))[:200]
