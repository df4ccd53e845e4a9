"""What the two REST APIs say about themselves (OpenAPI), made once in a process: making it takes seconds."""

from __future__ import annotations

import functools
import json
from typing import Any

from config.api import api
from config.api_v1 import v1


@functools.cache
def documents() -> tuple[dict[str, Any], ...]:
    """The documents of /api/v1/ and /v1/, as a client reads them. Everybody gets the same ones: change nothing."""
    return tuple(json.loads(json.dumps(made.get_openapi_schema(), default=str)) for made in (api, v1))
