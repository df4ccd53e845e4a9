"""Tests of `orchestration/engine/execution/`. Modules that are tested under other names:

asking, response_building: test_executor
audit_rows, audit_sql, commands, completion: test_group_commit, test_executor
context, events, result_takers: test_executor
conversation, tool_rows, tool_running: test_tool_turns
tool_approval: persistence/approval/test_tools
throttle_feedback: orchestration/engine/throttling/test_limits, orchestration/engine/throttling/test_circuit
"""
