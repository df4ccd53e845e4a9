"""Tests of `apps/consensus/api/`. Modules that are tested under other names:

event_stream: apps/consensus/workflow/test_steps
filters, permissions: test_runs
request_schemas: test_runs, test_sentences
"""
