"""Where the processes of a system look for each other, and through what they speak."""

from collections.abc import Mapping
from pathlib import Path

RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
IMPLEMENTATION, FAST_DDS = "RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"
OPEN, THIS_MACHINE = "fastdds.xml", "fastdds_this_machine.xml"  # our profiles, in the configuration's folder
# That nodes take to find each other: with our profiles on one machine; else, where what a network loses is sent again
# with the next heartbeat, which Fast DDS gives every 3 s.
QUICK_S, SLOW_S = 0.6, 5.0


def middleware_environment(given: Mapping[str, str], config: Path) -> dict[str, str]:
    """What is to be added to an environment, so that a system stays on this machine and finds itself quickly.

    What the user has set is left as it is.
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


def is_on_one_machine(given: Mapping[str, str]) -> bool:
    """Whether the nodes of this environment look for each other on this machine alone."""
    return given.get(RANGE) == "LOCALHOST" or Path(given.get(PROFILES, "")).name == THIS_MACHINE


def discovery_s(given: Mapping[str, str]) -> float:
    """After how long a node of this environment knows who else is there.

    A network may lose announcements, so the quick profile alone does not make discovery quick there.
    """
    is_quick = Path(given.get(PROFILES, "")).name in (OPEN, THIS_MACHINE) and is_on_one_machine(given)
    return QUICK_S if is_quick else SLOW_S


def can_see_all(given: Mapping[str, str]) -> bool:
    """Whether a node of this environment knows of topics and services that it does not use itself."""
    return not given.get("ROS_DISCOVERY_SERVER") or given.get("ROS_SUPER_CLIENT", "").lower() in ("true", "1")
