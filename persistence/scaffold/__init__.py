"""The files that `manage.py orca_init APP` writes; `$name` and `$app` are filled in."""
