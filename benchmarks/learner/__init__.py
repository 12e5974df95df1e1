"""The training update: updates a second."""
