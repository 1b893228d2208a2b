"""What happened, for whoever listens."""
