"""HTTP for every provider: one transport, and the class that sends a wire format over it."""
