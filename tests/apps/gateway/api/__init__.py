"""Tests of `apps/gateway/api/`. Modules that are tested under other names:

models: test_chat
"""
