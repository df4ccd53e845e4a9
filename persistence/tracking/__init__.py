"""What a handler wrote: every row, its values before and after, and the files."""
