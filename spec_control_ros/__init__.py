"""Speculative control: a slow, large planner drives a robot in real time."""

__version__ = "0.1.0"
