"""Tests of `orchestration/models/`. Modules that are tested under other names:

append_only, audits: orchestration/engine/execution/test_group_commit, orchestration/admin/test_audits
call_indexes: orchestration/engine/queue/test_overdue, orchestration/engine/queue/test_claim
call_kinds: orchestration/engine/queue/test_pausing
call_querysets: orchestration/engine/queue/test_claim
content: orchestration/content/test_removal
counters: orchestration/engine/queue/test_unreadable_rows
engine_events: orchestration/engine/test_deployments
format_version: persistence/test_newer_rows
idempotency: config/http/test_stored_answers
nodes: orchestration/monitoring/test_alerts
ordering_keys: orchestration/engine/queue/test_claim, orchestration/engine/execution/test_successors
persist_state: persistence/outbox/test_drain
rollups: orchestration/stats/test_aggregation
saved_searches: orchestration/admin/test_saved_searches
stream_chunks: orchestration/engine/streaming/test_relay
tables: integration/test_migrate
throttles: orchestration/engine/throttling/test_limits, orchestration/engine/throttling/test_circuit
tool_runs: orchestration/engine/execution/test_tool_turns
usage: orchestration/engine/execution/test_group_commit
"""
