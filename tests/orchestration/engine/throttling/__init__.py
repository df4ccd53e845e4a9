"""Tests of `orchestration/engine/throttling/`. Modules that are tested under other names:

admission, snapshot: test_limits, test_circuit, test_detours
reasons: test_detours
token_bucket: test_limits
"""
