"""Tests of `apps/gateway/metering/`. Modules that are tested under other names:

metrics, recorded_usage, usage: test_reported_usage
price_cache: apps/gateway/proxy/test_money
token_count: apps/gateway/compression/test_compressor
token_estimate: test_quotas, test_reported_usage
"""
