"""Tests of `apps/gateway/http/`. Modules that are tested under other names:

error_shapes, providers: apps/gateway/api/test_messages
runtime: apps/gateway/recording/test_batch_writer, apps/gateway/recording/test_flush
"""
