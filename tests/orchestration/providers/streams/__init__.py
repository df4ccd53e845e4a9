"""Tests of `orchestration/providers/streams/`. Modules that are tested under other names:

delta_fields, event_reader, folding: apps/gateway/proxy/test_assembly
event_writer: orchestration/providers/simulator/test_server
"""
