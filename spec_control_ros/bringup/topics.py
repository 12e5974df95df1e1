"""The topics of a running system and their types: what is recorded, and what a bag is searched for."""

INTERFACES = "spec_control_interfaces"

# A robot's own, besides joint_states; REP-145 names the IMU's.
IMU, ODOMETRY, CONTROLLER, TRAJECTORY_CONTROLLER, ROBOT_RESET = (
    "imu/data",
    "odom",
    "forward_command_controller/commands",
    "joint_trajectory_controller/joint_trajectory",
    "robot/reset",
)
HARDWARE_TOPICS = (IMU, ODOMETRY, CONTROLLER)

# Of the listeners that a system waits for, those that do not hear all topics.
HEARD = {
    "monitor": ("status", "episode"),
    "network_relay": ("episode",),
    # rosbag2 subscribes to what somebody publishes already.
    "rosbag2_recorder": ("status", "inputs", "replan_event", "plan", "observation", "episode", "/clock"),
}

TOPICS = {
    "observation": f"{INTERFACES}/msg/Observation",
    "plan": f"{INTERFACES}/msg/Plan",
    "command": f"{INTERFACES}/msg/Command",
    "status": f"{INTERFACES}/msg/ExecutorStatus",
    "episode": f"{INTERFACES}/msg/Episode",
    "replan_event": f"{INTERFACES}/msg/ReplanEvent",
    "inputs": f"{INTERFACES}/msg/ExecutorInputs",
    "parameters": "rcl_interfaces/msg/ParameterEvent",  # of every node, once, latched
    "joint_states": "sensor_msgs/msg/JointState",
    "/clock": "rosgraph_msgs/msg/Clock",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}
