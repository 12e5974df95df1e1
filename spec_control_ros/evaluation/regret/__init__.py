"""What a decision costs: the same tick lived through again with another decision, and the returns compared."""
