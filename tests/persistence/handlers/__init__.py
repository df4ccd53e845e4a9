"""Tests of `persistence/handlers/`. Modules that are tested under other names:

adapters: test_codecs, persistence/outbox/test_failures
approval: persistence/approval/test_rules
registry: test_base
"""
