"""Tests of `apps/gateway/management/commands/`. Modules that are tested under other names:

compression_report: apps/gateway/compression/test_compressor
rotate_encryption: apps/gateway/test_crypto
"""
