"""Tests of `orchestration/providers/conformance/`. Modules that are tested under other names:

answers, asking, odd_answers: test_suite
"""
