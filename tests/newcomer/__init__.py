"""`make newcomer`: what somebody does who has a project, docs/adopt.md and the built wheel, and nothing else."""
