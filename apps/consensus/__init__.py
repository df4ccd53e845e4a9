"""One idea, five reviewers, one decision."""
