"""Callers of the REST API, for proofs that need one."""

from tests.orchestration.api.conftest import caller, operator

__all__ = ["caller", "operator"]
