"""The gateway's commands for `manage.py`."""
