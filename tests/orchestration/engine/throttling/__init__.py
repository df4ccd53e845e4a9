"""Tests of `orchestration/engine/throttling/`. Modules that are tested under other names:

admission, snapshot: test_limits, test_circuit
token_bucket: test_limits
"""
