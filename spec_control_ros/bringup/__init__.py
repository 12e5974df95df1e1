"""The one description of the running system, for the launch files and for `spec-control run` alike."""
