"""Tests of `orchestration/providers/compatible/`. Modules that are tested under other names:

provider: orchestration/providers/conformance/test_suite
"""
