"""The control law against a plant in one process, without ROS."""
