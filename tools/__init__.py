"""What made the shipped models, for those who make others. Nothing here is installed."""
