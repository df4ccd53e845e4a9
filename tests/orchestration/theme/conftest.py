"""People of the console."""

from tests.orchestration.admin.conftest import staff

__all__ = ["staff"]
