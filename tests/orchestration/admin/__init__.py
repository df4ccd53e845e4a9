"""Tests of `orchestration/admin/`. Modules that are tested under other names:

alerts: orchestration/monitoring/test_alerts
attempt_display, content_display, extensions, sections: test_calls
failure_display: test_call_detail
base: test_calls, orchestration/models/test_call_columns
call_actions: test_operations
django_q_pages: orchestration/django_q/test_schedules, orchestration/django_q/test_allowed_tasks
exact_search: apps/console/test_searches
import_widgets: test_import_formats
nodes: test_audits
prices: apps/console/test_list_times
prompt_overrides: test_prompt_versions, test_import_export
seen_forms: test_prompt_versions, apps/consensus/admin/test_prompts
"""
