"""Tests of `orchestration/components/`. Modules that are tested under other names:

catalog: test_alignment, orchestration/management/commands/test_run_service
import_paths: test_discovery
prompt_overrides: orchestration/models/test_prompt_overrides
service: test_alignment
strict_schema, strict_schema_limits: test_schemas
text_paths: orchestration/engine/streaming/test_relay
"""
