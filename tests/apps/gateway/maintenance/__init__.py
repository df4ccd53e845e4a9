"""Tests of `apps/gateway/maintenance/`. Modules that are tested under other names:

key_rotation: apps/gateway/test_crypto
orphan_requests: apps/gateway/recording/test_flush, apps/gateway/metering/test_quotas
"""
