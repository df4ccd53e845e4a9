"""Tests of `orchestration/engine/throttling/`. Modules that are tested under other names:

admission, snapshot: test_limits, test_circuit, test_open_routes
reasons: test_open_routes
token_bucket: test_limits
"""
