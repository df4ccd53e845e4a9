"""Tests of `orchestration/checks/`. Modules that are tested under other names:

database: orchestration/monitoring/test_health
"""
