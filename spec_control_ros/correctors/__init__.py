"""Learned residuals for queued actions: distilled from a teacher that replans at every tick."""
