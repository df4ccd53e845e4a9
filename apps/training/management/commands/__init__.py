"""`demo`: scenarios, people and played sessions."""
