"""The chat's components: what is asked of the model, in which shape it answers, and what becomes of the answer."""
