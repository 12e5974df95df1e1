"""Measurements of single parts, for those who work on them. Nothing here is installed."""
