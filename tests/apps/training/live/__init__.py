"""Tests of `apps/training/live/`. Modules that are tested under other names:

debrief: apps/training/views/test_feedback
fragments: test_conversation
watching: test_board, apps/training/views/test_directing
"""
