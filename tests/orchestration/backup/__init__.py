"""Tests of `orchestration/backup/`. Modules that are tested under other names:

contents: test_copies
"""
