"""Tests of `persistence/handlers/`. Modules that are tested under other names:

adapters: test_codecs, persistence/outbox/test_failures
registry: test_base
"""
