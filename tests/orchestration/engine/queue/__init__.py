"""Tests of `orchestration/engine/queue/`. Modules that are tested under other names:

bulk_updates: test_unreadable_rows, orchestration/engine/execution/test_group_commit
destinations: test_pausing, orchestration/admin/test_throttles
held_calls: persistence/admin/test_held_back
write_batcher: orchestration/engine/execution/test_group_commit
"""
