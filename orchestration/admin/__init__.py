"""The engine's pages in the admin, in the theme that the project has; importing this package registers them."""

from orchestration.admin import (  # noqa: F401 - they register themselves
    audits,
    calls,
    django_q_pages,
    nodes,
    prices,
    prompt_overrides,
    throttles,
)
