"""Tests of `orchestration/stats/`. Modules that are tested under other names:

added_metrics: apps/gateway/metering/test_reported_usage
figures: test_aggregation
prompt_use: orchestration/admin/test_prompt_versions
timeline: orchestration/admin/test_calls
"""
