"""Tests of `apps/training/views/`. Modules that are tested under other names:

assignments, invitations, trainee: test_pages
board: test_directing
chat: apps/training/live/test_conversation
notes: test_feedback
pictures: test_archives
previews: test_scenarios
"""
