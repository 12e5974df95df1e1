"""What a recorded run would have decided otherwise: the control law over the recorded observations."""
