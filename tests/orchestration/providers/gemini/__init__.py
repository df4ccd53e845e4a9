"""Tests of `orchestration/providers/gemini/`. Modules that are tested under other names:

content_assembly: orchestration/providers/streams/test_reading
dialect, provider: test_wire, orchestration/providers/conformance/test_suite
"""
