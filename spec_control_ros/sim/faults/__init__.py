"""Faults on demand: seeded, scheduled, applied between plant and controller."""
