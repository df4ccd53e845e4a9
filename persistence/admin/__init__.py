"""The pages about persistence; importing this package registers them. Exports and overview come with the console."""

from orchestration.theme.installed import has_console
from persistence.admin import (  # noqa: F401 - they register themselves
    approvals,
    bulk_actions,
    bulk_runs,
    causes,
    chunks,
    dead_letters,
    erasure,
    failed_calls,
    filters,
    held_back,
    navigation,
    pairs,
    rerun,
    retention,
    run_pages,
    schema_upgrades,
    search,
)

if has_console():
    from persistence.admin import exports, overview  # noqa: F401 - as above
