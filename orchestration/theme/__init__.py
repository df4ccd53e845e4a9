"""The theme of the admin: unfold, or Django's own; what pages and templates are built from in either."""
