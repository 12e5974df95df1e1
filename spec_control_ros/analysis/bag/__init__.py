"""Reading and writing rosbag2 bags, also damaged ones, without ROS."""
