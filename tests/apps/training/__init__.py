"""Tests of `apps/training/`. Modules that are tested under other names:

demo/cases, demo/sessions: management/commands/test_demo
forms, permissions, rendering, responses: views/test_pages
scenario_forms: views/test_scenarios
templatetags/live_fragments: live/test_conversation
uploads: views/test_archives
"""
