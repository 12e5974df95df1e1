"""Training of an expert by reinforcement learning: a soft actor-critic with a curriculum."""
