"""Hardware in the loop: scenarios with faults through the real nodes, and whether what they bring is good enough."""
