"""Nodes, alone and together, over real DDS."""

from ros_support import domain, model, probe, signals, start

__all__ = ["domain", "model", "probe", "signals", "start"]
