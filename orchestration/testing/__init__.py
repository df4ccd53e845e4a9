"""The kit for tests of services and handlers (docs/testing.md): a scripted provider, a worker in the test's own thread,
assertions and factories. For pytest and unittest alike; the fixtures are in `orchestration/pytest_plugin.py`."""

from orchestration.testing.assertions import assert_failed, assert_no_paid_requests, assert_persisted
from orchestration.testing.factories import make_call, make_result
from orchestration.testing.running import Drained, drain, run_calls
from orchestration.testing.scripted import ScriptedProvider, scripted_provider

__all__ = [
    "Drained",
    "ScriptedProvider",
    "assert_failed",
    "assert_no_paid_requests",
    "assert_persisted",
    "drain",
    "make_call",
    "make_result",
    "run_calls",
    "scripted_provider",
]
