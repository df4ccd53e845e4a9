"""Tests of `apps/chatlab/api/`. Modules that are tested under other names:

schemas, serializers: test_messages, apps/chatlab/test_conversation
"""
