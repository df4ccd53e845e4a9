"""Tests of `apps/consensus/decision/`. Modules that are tested under other names:

comparison: apps/consensus/workflow/test_start
"""
