"""What can be ordered and examined, under which names, and what is usual: data, and functions that read it."""
