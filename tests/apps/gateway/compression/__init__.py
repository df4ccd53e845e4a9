"""Tests of `apps/gateway/compression/`. Modules that are tested under other names:

messages, protected_spans, rules, savings_report: test_compressor
"""
