"""What a chat does: submit calls for replies, show pictures, provide its history."""
