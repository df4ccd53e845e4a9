"""A project that took the package in by docs/adopt.md, and in which nothing else is what one might take for granted:
another user model, admin site, base template, prefix, language and database of its own. It runs in processes of its
own, because a process has one user model."""
