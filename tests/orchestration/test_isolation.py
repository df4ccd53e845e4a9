"""Blocks whose exceptions are kept."""

import asyncio

import pytest

from orchestration.isolation import isolated


def test_an_exception_is_kept_and_not_raised():
    with isolated() as run:
        raise ValueError("no")
    assert isinstance(run.error, ValueError)


def test_a_block_that_ends_well_leaves_no_error():
    with isolated() as run:
        pass
    assert run.error is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_a_process_or_a_task_passes_through(kind):
    with pytest.raises(kind), isolated():
        raise kind
