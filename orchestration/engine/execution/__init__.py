"""Executing one claimed call: rendered, sent, audited, validated and written down.

`executor.run_call` runs one, `inline` runs one for a caller that waits, `group_commit` writes what many have to write.
"""
