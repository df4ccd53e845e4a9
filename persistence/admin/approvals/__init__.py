"""The queue of held results in the admin: the list, one item with its decisions, the form for an edit."""

from persistence.admin.approvals import call_section, listing  # noqa: F401 - they register themselves
