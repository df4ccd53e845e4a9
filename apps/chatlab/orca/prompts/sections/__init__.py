"""The prompt sections of the chat's calls: the patient, the conversation, ordered tests."""
