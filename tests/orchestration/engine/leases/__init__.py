"""Tests of `orchestration/engine/leases/`. Modules that are tested under other names:

outage: test_renewal, orchestration/engine/worker/test_watchdog
process_lock: test_expired
"""
