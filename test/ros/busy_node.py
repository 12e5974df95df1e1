"""A node that takes in nothing, as one that loads a large model: `python busy_node.py`."""

import time

from spec_control_ros.ros.node_runner import ProcessNode, main_of


class BusyNode(ProcessNode):
    """Is known to others, and then works in its only thread for a minute."""

    def __init__(self) -> None:
        super().__init__("busy")
        self.create_timer(0.1, lambda: time.sleep(60.0))


main = main_of(BusyNode)

if __name__ == "__main__":
    main()
