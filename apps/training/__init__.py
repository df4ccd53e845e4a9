"""The training pages for trainees and instructors, and the demo."""
