"""The control law, pure: time, randomness and device come in as arguments."""
