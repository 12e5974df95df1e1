"""Installs the Python package where ROS 2 looks for it; `scripts/setup.sh` calls it through colcon."""

import os
import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "spec_control_ros"
MESSAGES = "spec_control_interfaces"
SHARE = Path("share") / PACKAGE
NODES = (
    "planner",
    "executor",
    "sim_bridge",
    "hardware_bridge",
    "hardware_emulator",
    "recorder",
    "network_relay",
)


def share_files(folder: str, pattern: str = "*") -> list[tuple[str, list[str]]]:
    """Lists the files below `folder` as setuptools data files, subfolders kept."""
    files = (
        path for path in Path(folder).rglob(pattern) if path.is_file() and "__pycache__" not in path.parts
    )
    return [(str(SHARE / path.parent), [str(path)]) for path in sorted(files)]


def refuse_without_messages() -> None:
    """Ends a colcon build that would install nodes that cannot start.

    colcon does not look for packages inside a package, so the messages need a place of their own in the workspace.
    """
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    is_colcon = "colcon_distutils_commands" in {Path(path).name for path in paths}
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    marker = Path("share/ament_index/resource_index/packages") / MESSAGES
    if is_colcon and not any((prefix / marker).exists() for prefix in map(Path, prefixes)):
        sys.exit(
            f"error: {MESSAGES}, the messages of {PACKAGE}, is not in this workspace. "
            f"Link it and build again: ln -s {PACKAGE}/{MESSAGES} src/ && colcon build"
        )


if {"install", "develop"} & set(sys.argv) and "--help" not in sys.argv:
    refuse_without_messages()
# The one home of the version; package.xml, which ROS 2 wants as well, is held against it by a test.
VERSION = re.findall(r'^__version__ = "(.+)"$', Path(PACKAGE, "__init__.py").read_text(), re.MULTILINE)[0]
# A wheel has a command of pip's.
command = [] if "bdist_wheel" in sys.argv else [("bin", ["bin/spec-control"])]

setup(
    name=PACKAGE,
    version=VERSION,
    packages=find_packages(include=[f"{PACKAGE}*"]),
    package_data={PACKAGE: ["py.typed", "analysis/*.j2", "world_model/native/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (str(SHARE), ["package.xml"]),
        *command,
        *share_files("launch", "*.launch.py"),
        *share_files("config"),
        *share_files("models"),
    ],
    install_requires=["setuptools"],
    # colcon runs the tests only if it finds pytest among these.
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="The spec_control_ros authors",
    maintainer_email="maintainers@users.noreply.github.com",
    description="Speculative control with a learned world model: plan, check every tick, correct or replan.",
    license="MIT",
    entry_points={
        "console_scripts": [
            f"spec-control = {PACKAGE}.cli.main:main",
            *(f"{node} = {PACKAGE}.nodes.{node}:main" for node in NODES),
        ],
        # Any package may add kinds of planners to this group; a model's card names its own as `format`.
        f"{PACKAGE}.planners": [
            f"tdmpc2 = {PACKAGE}.world_model.tdmpc2_format:TDMPC2Format",
            f"sampling = {PACKAGE}.sampling.format:SamplingFormat",
        ],
        # And kinds of environments to this one; a name begins with its kind, as in `gymnasium:HalfCheetah-v5`.
        f"{PACKAGE}.envs": [
            f"dm_control = {PACKAGE}.sim.suite:load",
            *(
                f"{kind} = {PACKAGE}.sim.environment:{kind}_env"
                for kind in ("gymnasium", "mjcf", "python", "state")
            ),
        ],
        f"{PACKAGE}.correctors": [
            f"{name} = {PACKAGE}.world_model.model_folder:load_{name}" for name in ("two_tower", "temporal")
        ],
    },
)
