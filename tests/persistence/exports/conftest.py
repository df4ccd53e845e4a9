"""People of the console."""

from tests.orchestration.admin.conftest import root, staff

__all__ = ["root", "staff"]
