"""The components of a review: what is asked of the model, how it answers, and what becomes of the answer."""
