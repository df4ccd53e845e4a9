"""Tests of `orchestration/providers/conformance/`. Modules that are tested under other names:

answers, asking, contents, odd_answers, streams: test_suite
"""
