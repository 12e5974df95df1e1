"""The planner: latency, roofline and return."""
