"""Where requests go: names of models to clients and models, and which of these are held back at present."""
