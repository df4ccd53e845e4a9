"""Tests of `apps/gateway/http/`. Modules that are tested under other names:

runtime: apps/gateway/recording/test_batch_writer, apps/gateway/recording/test_flush
"""
