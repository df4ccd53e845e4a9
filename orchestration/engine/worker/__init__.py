"""Worker processes: the loop that runs calls, the rescuer, and the supervisor that keeps a cluster alive.

It exports nothing: `process_group` is imported by processes that must start before Django does, and without it.
"""
