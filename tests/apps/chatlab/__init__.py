"""Tests of `apps/chatlab/`. Modules that are tested under other names:

erasure: apps/test_erasure
exports: admin/test_messages
models/messages: test_conversation, test_receivers
models/sessions: test_conversation
withdrawals: orca/test_reprocess
"""
