"""Tests of `orchestration/engine/execution/`. Modules that are tested under other names:

audit_rows, audit_sql, commands, completion: test_group_commit, test_executor
context, events, result_takers: test_executor
throttle_feedback: orchestration/engine/throttling/test_limits, orchestration/engine/throttling/test_circuit
"""
