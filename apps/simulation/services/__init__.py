"""What is done with a simulation: start and end it, submit its calls, write feedback, add pictures."""
