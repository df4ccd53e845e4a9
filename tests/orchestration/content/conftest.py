"""A storage of one test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def stored(tmp_path: Path, settings: Any) -> Path:
    """Where the bytes are."""
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path / "content"
