"""Operations on many calls at once: frozen, forecast, resumable."""
