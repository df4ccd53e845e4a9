"""Tests of `apps/consensus/simulator/`. Modules that are tested under other names:

ideas, proposals: test_reviews
"""
