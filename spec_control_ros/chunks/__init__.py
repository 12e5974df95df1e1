"""Chunk policies of others behind our executor: what they predict becomes a plan. numpy only."""
