"""Tests of `orchestration/engine/queue/`. Modules that are tested under other names:

bulk_updates: test_unreadable_rows, orchestration/engine/execution/test_group_commit
destinations: test_pausing
write_batcher: orchestration/engine/execution/test_group_commit
"""
