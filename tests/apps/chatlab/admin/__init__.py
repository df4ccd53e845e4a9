"""Tests of `apps/chatlab/admin/`. Modules that are tested under other names:

sessions: test_messages
"""
