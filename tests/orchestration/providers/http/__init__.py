"""Tests of `orchestration/providers/http/`. Modules that are tested under other names:

addresses: orchestration/providers/test_registry
contract: test_transport
provider: test_transport
"""
