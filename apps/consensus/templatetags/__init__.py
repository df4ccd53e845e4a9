"""Template tags of the consensus pages."""
