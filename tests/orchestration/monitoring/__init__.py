"""Tests of `orchestration/monitoring/`. Modules that are tested under other names:

alert_display: test_alerts
insiders: config/http/test_content_security
"""
