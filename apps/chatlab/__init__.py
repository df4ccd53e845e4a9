"""The chat of a simulation: messages, orders and the calls that answer them."""
