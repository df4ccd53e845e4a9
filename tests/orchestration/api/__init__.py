"""Tests of `orchestration/api/`. Modules that are tested under other names:

batch, idempotency: test_submit
errors: config/http/test_error_envelope
pagination, row_pages, schemas, serializers: test_calls, test_spellings
sse: test_prefer_wait, apps/simulation/api/test_events
stats: orchestration/monitoring/test_prometheus, orchestration/stats/test_aggregation
"""
