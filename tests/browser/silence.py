"""For how long a worker was silent when an open page said so first: a test that is late itself reads a later word."""

from __future__ import annotations

from typing import Any

WATCH = """() => {
  const box = document.getElementById("orca-alerts");
  new MutationObserver(() => {
    const said = box.textContent.match(/No worker is alive \\(\\S+ silent for (\\d+) s/);
    if (said) window.silentFor ??= Number(said[1]);
  }).observe(box, { childList: true, subtree: true });
}"""


def watch_for_silence(page: Any) -> None:
    """From now on, until another page is opened."""
    page.evaluate(WATCH)


def silent_for(page: Any) -> int:
    """Seconds since the last beat, as the server counted them, in the first line that said so; waits for it."""
    page.wait_for_function("() => window.silentFor !== undefined")
    return int(page.evaluate("() => window.silentFor"))
