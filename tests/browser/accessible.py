"""What axe finds on a page that keeps somebody from using it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

from tests.browser.pictures import picture

GRAVE = {"serious", "critical"}
SCRIPT = Axe().axe_script
THEMES = ("light", "dark")


def violations(page: Any) -> list[str]:
    """Every finding on the page as it is shown now, by all rules, one line each with the first element."""
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in _findings(page)]


def problems(page: Any) -> list[str]:
    """Serious and critical findings on the page as it is shown now, by all rules, one line each with the first
    elements."""
    return [
        f"{finding['impact']} {finding['id']}: {finding['help']}: "
        + "; ".join(f"{node['html'][:160]} {_why(node)}" for node in finding["nodes"][:3])
        for finding in _findings(page)
        if finding["impact"] in GRAVE
    ]


def _findings(page: Any) -> list[dict[str, Any]]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT)
    asked = "axe.run({resultTypes: ['violations']}).then(results => results.violations)"
    found: list[dict[str, Any]] = page.evaluate(asked)
    return found


def problems_in_both_themes(page: Any) -> list[str]:
    """The same in light and in dark; leaves the page in light."""
    found = []
    for theme in reversed(THEMES):
        show_in(page, theme)
        found += [f"in {theme}: {problem}" for problem in problems(page)]
    return found


def show_in(page: Any, theme: str) -> None:
    """As the switch of the theme does; nothing fades, so that axe sees the colours that stay."""
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(
        """dark => {
            document.documentElement.classList.toggle('dark', dark);
            document.getAnimations().forEach(animation => animation.finish());
        }""",
        theme == "dark",
    )


SIDEWAYS = """width => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(
    document.documentElement.scrollWidth <= width ? [] :
    [...document.querySelectorAll('main *, body *')].filter(it => it.getBoundingClientRect().right > width)
        .slice(0, 5).map(it => it.outerHTML.slice(0, 160))
))))"""


def wider_than(page: Any, width: int) -> list[str]:
    """What makes the page need scrolling sideways on a screen of this width; leaves the screen as it was."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 844})
    try:
        return list(page.evaluate(SIDEWAYS, width))
    finally:
        page.set_viewport_size(before)


CUT_OFF = """() => [...document.querySelectorAll('a, button, input, select, textarea')].filter(it => {
    const its = it.getBoundingClientRect();
    if (!it.checkVisibility({visibilityProperty: true, opacityProperty: true}) || its.width < 2) return false;
    for (let box = it.parentElement; box && box !== document.body; box = box.parentElement) {
        const style = getComputedStyle(box), edge = box.getBoundingClientRect();
        if (style.position === 'fixed' || style.textOverflow === 'ellipsis') return false;
        if (/auto|scroll/.test(style.overflowX)) return false;
        const isOut = its.right > edge.right + 1 || its.left < edge.left - 1;
        if (isOut && /hidden|clip/.test(style.overflowX)) return edge.width > 2;
    }
    return false;
}).map(it => it.outerHTML.slice(0, 160))"""


def cut_off(page: Any) -> list[str]:
    """Controls and links that a box around them hides a part of, and that no scrolling brings into view."""
    return [f"cut off: {each}" for each in page.evaluate(CUT_OFF)]


MOUSE_ONLY = """() => {
    const native = 'a[href], button, input, select, textarea, summary, label';
    const reached = `${native}, [tabindex="0"], [role=tab], [role=option]`;
    return [...document.querySelectorAll('body *')].filter(it =>
        (it.matches('[x-on\\\\:click], [onclick]') || getComputedStyle(it).cursor === 'pointer')
        && it.checkVisibility({visibilityProperty: true, opacityProperty: true}) && it.getBoundingClientRect().width > 1
        && !it.closest(reached) && !it.querySelector(reached) && it.id !== 'changelist-filter-close'
    ).map(it => it.outerHTML.slice(0, 160));
}"""


def mouse_only(page: Any) -> list[str]:
    """What can be clicked, and not be reached by the keyboard; the area beside a panel, which Escape closes, may be."""
    return [f"only for a mouse: {each}" for each in page.evaluate(MOUSE_ONLY)]


def look_at(page: Any, name: str, *, full_page: bool = False) -> None:
    """Nothing keeps anybody from using it, in light and in dark, and it fits. With $SCREENSHOTS: pictures."""
    for width in (390, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        wide = wider_than(page, width)
        assert not wide, f"{name} is wider than {width}: {wide}"
        picture(page, f"{name}-{width}", full_page=full_page)
    found = problems_in_both_themes(page) + mouse_only(page)
    assert not found, f"{name}: {found}"
    show_in(page, "dark")
    picture(page, f"{name}-dark", full_page=full_page)
    show_in(page, "light")


def _why(node: dict[str, Any]) -> str:
    return " ".join(check["message"] for check in (*node["any"], *node["all"], *node["none"]))[:200]
