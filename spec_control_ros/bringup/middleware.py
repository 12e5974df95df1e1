"""Where the processes of a system look for each other, and through what they speak."""

from collections.abc import Mapping
from pathlib import Path

RANGE, PROFILES, IMPLEMENTATION = (
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "RMW_IMPLEMENTATION",
)
FAST_DDS = "rmw_fastrtps_cpp"
OPEN, THIS_MACHINE = (
    "fastdds.xml",
    "fastdds_this_machine.xml",
)  # our profiles, in the folder of the configuration
QUICK_S, SLOW_S = 0.6, 3.0  # that nodes take to find each other with our profiles, and without


def middleware_environment(given: Mapping[str, str], config: Path) -> dict[str, str]:
    """What is to be added to an environment, so that a system stays on this machine and finds itself quickly.

    What the user has set is left as it is.

    Args:
        given: The present environment.
        config: Folder of the package's configuration.
    """
    if given.get(IMPLEMENTATION, FAST_DDS) != FAST_DDS or RANGE in given or PROFILES in given:
        defaults = {RANGE: "LOCALHOST", PROFILES: str(config / OPEN)}
    else:
        # LOCALHOST would bring shared memory back in, whatever the profile says; here the profile alone counts.
        defaults = {RANGE: "SYSTEM_DEFAULT", PROFILES: str(config / THIS_MACHINE)}
    return {name: value for name, value in defaults.items() if name not in given}


def discovery_environment(given: Mapping[str, str], config: Path) -> dict[str, str]:
    """What is to be added to an environment, so that a system finds itself quickly, wherever it may look."""
    return {} if PROFILES in given else {PROFILES: str(config / OPEN)}


def discovery_s(given: Mapping[str, str]) -> float:
    """After how long a node of this environment knows who else is there."""
    return QUICK_S if Path(given.get(PROFILES, "")).name in (OPEN, THIS_MACHINE) else SLOW_S
