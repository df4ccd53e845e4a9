"""Tests of `apps/consensus/`. Modules that are tested under other names:

checks, receivers, log, models/prompts, prompt_sets/install: admin/test_runs
conf, errors: workflow/test_retry_cancel
erasure: apps/test_erasure
forms, presentation, templatetags/comparisons: test_views
models/results, models/runs: workflow/test_steps, workflow/test_retry_cancel
objections, orca/schemas/review: workflow/test_reprocess
orca/persist/review: workflow/test_steps, workflow/test_reprocess
orca/prompts/sections/review: workflow/test_steps, workflow/test_start
selectors: api/test_runs, workflow/test_start
"""
