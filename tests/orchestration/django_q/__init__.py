"""Tests of `orchestration/django_q/`. Modules that are tested under other names:

defaults, installed: orchestration/checks/test_project
plain_pickle: test_allowed_tasks
redis_broker: test_brokers
registration, scheduler: test_schedules
"""
