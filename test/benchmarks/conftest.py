"""What tests of benchmarks share."""

from distilled_model import model

__all__ = ["model"]
