"""Tests of `orchestration/engine/`. Modules that are tested under other names:

failure_event: execution/test_executor
garbage_collection: worker/test_loop
"""
