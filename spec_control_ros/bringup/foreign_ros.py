"""Another ROS 2 in the environment of an installation that brings its own: it is left out."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

INDEX = Path("share/ament_index/resource_index/packages")
MIDDLEWARE = "RMW_IMPLEMENTATION"
PATHS = ("PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH")


def leave_foreign_ros() -> None:
    """Start this program again without another ROS 2 whose packages would be taken for those of this installation.

    It does nothing where ROS 2 is not in this Python environment: then what is sourced is the one to use.
    """
    clean, foreign = without_foreign_ros(os.environ, Path(sys.prefix))
    if not foreign:
        return
    print(
        f"warning: not used: another ROS 2 in {', '.join(foreign)}; {sys.prefix} has its own", file=sys.stderr
    )
    sys.stderr.flush()
    os.execve(sys.executable, sys.orig_argv, clean)


def without_foreign_ros(environment: Mapping[str, str], prefix: Path) -> tuple[dict[str, str], list[str]]:
    """An environment without the folders and the middleware of another ROS 2, and what these are.

    The Python environment at `prefix` may contain ROS 2 itself.
    """
    own = {path.name for path in (prefix / INDEX).iterdir()} if (prefix / INDEX / "rclpy").exists() else set()
    clean, foreign = dict(environment), dict[str, None]()
    for variable in PATHS:
        folders = [folder for folder in environment.get(variable, "").split(os.pathsep) if folder]
        kept = [folder for folder in folders if not _is_foreign(Path(folder), prefix, own)]
        if kept != folders:
            foreign |= dict.fromkeys(folder for folder in folders if folder not in kept)
            clean[variable] = os.pathsep.join(kept)
    middleware = environment.get(MIDDLEWARE)
    if own and middleware and not (prefix / "lib" / f"lib{middleware}.so").exists():
        foreign[f"{MIDDLEWARE}={middleware}"] = None
        del clean[MIDDLEWARE]
    return clean, list(foreign)


def _is_foreign(folder: Path, prefix: Path, own: set[str]) -> bool:
    """Whether a folder of Python packages, of libraries or of a whole installation holds what we have ourselves."""
    if not own or Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(prefix)):
        return False
    return any(
        (folder / name).is_dir() or (folder / INDEX / name).exists() or (folder / f"lib{name}.so").exists()
        for name in own
    )
