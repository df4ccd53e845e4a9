"""Tests of `persistence/`. Modules that are tested under other names:

errors: handlers/test_base, handlers/test_codecs
export_tasks: exports/test_worker
foreign_code, log: outbox/test_failures
models/approval: approval/test_decisions
models/bulk: bulk/test_runs
models/chunks: outbox/test_drain, outbox/test_idempotent_unit
models/erasures: admin/test_erasure
models/failures: maintenance/test_dead_letters
models/fields: tracking/test_counters
models/retention: maintenance/test_retention
receivers, models/outbox: outbox/test_batches
testing: outbox/test_drain
"""
