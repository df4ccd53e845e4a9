"""The components of the model calls: services, prompts, answer schemas, and the persistence of answers."""
