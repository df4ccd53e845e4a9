"""The instructors' side: scenarios, assignments, the commands of a session, notes, the debrief."""
