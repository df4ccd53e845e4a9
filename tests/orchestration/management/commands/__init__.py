"""Tests of `orchestration/management/commands/`. Modules that are tested under other names:

ai_healthcheck: orchestration/providers/test_health
backup, restore: orchestration/backup/test_copies
doctor: orchestration/doctor/test_examinations
orca_components: test_run_service
pause, resume: orchestration/admin/test_throttles
"""
