"""Where this package's models, configuration and launch files lie."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def share_folder() -> Path:
    """The share folder of a ROS workspace or of a Python environment, or the source tree.

    The first of these that holds our configuration: a prefix that is sourced, the prefix that this package is
    installed in, the folder that the package lies in.
    """
    share = Path("share") / PACKAGE.name
    prefixes = [
        Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix
    ]
    places = [*(prefix / share for prefix in (*prefixes, *PACKAGE.parents)), PACKAGE.parent]
    return next((place for place in places if (place / "config").is_dir()), PACKAGE.parent)
