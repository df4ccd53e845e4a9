"""What trainers do: direct a session, follow it, debrief, import and export scenarios."""
