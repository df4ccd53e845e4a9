"""Tests of `apps/gateway/masking/`. Modules that are tested under other names:

json_text, plain_text: test_unmask, test_odd_writings
log_filter, terms: test_mask, test_unmask
national_ids, numbers, phones, secrets: test_detectors, test_odd_writings
"""
