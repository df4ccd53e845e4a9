"""Tests of `orchestration/values/`. Modules that are tested under other names:

columns: orchestration/api/test_calls
feature_hashing: orchestration/providers/simulator/test_server
generic_refs: persistence/tracking/test_keys
plain_text: apps/chatlab/api/test_messages
sanitize: orchestration/engine/execution/test_answer_storage, orchestration/providers/test_answers_over_http
stored_json: orchestration/engine/execution/test_answer_storage, orchestration/providers/test_answers_over_http
spreadsheets: persistence/exports/test_worker
truncated_json: orchestration/admin/test_calls
uuid_keys: orchestration/api/test_spellings
"""
