"""Tests of `apps/gateway/recording/`. Modules that are tested under other names:

batch_transaction, database_thread: test_event_loop_connection, test_batch_writer
decisions: apps/gateway/metering/test_quotas
operations, statements: test_batch_writer, test_flush
"""
