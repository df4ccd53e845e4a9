"""Tests of `orchestration/providers/gemini/`. Modules that are tested under other names:

dialect, provider: test_wire, orchestration/providers/conformance/test_suite
"""
