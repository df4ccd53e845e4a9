"""Tests of `orchestration/`. Modules that are tested under other names:

access_log: admin/test_calls
backends/online_operations: test_migration_rules
backends/postgresql/base, backends/sqlite3/base: engine/queue/test_unreadable_rows
conf, errors: checks/test_components
fault_injection: integration/test_fault_points
receivers: stats/test_aggregation
routes: engine/throttling/test_limits
service_checks, services: test_decorators, engine/queue/test_enqueue
signals: test_receiver_guard, engine/execution/test_event_thread
tasks: engine/worker/test_heartbeat, engine/worker/test_watchdog
templatetags/orca_theme: monitoring/test_alerts
theme/installed, theme/plain, theme/styles: browser/test_plain_theme
theme/suggestions: admin/test_throttles
types: engine/execution/test_executor
"""
