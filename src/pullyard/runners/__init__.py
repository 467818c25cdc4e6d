"""What brings workers into being."""
