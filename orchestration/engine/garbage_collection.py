"""The garbage collector of a process that serves: it looks at what comes and goes, not at what was loaded before."""

from __future__ import annotations

import gc
from functools import cache

COLLECT_AFTER = (2_000, 10, 50)
"""When it looks at new objects, at those that survived, and at all, which takes longer the busier the process is."""
COLLECT_IN_WORKERS = (20_000, 5, 20)
"""The same in workers: calls come and go in batches that keep ten thousand objects, and leave no circles behind that
only the collector finds."""


@cache
def spare_what_is_loaded(collect_after: tuple[int, int, int] = COLLECT_AFTER) -> None:
    """Once per process, when all is loaded: keep the garbage collector from what lives as long as the process. That is
    a quarter of a million objects, and everything else stops for a tenth of a second while it looks at them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*collect_after)
