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
# What `pip install 'spec_control_ros[EXTRA]'` brings besides what is always needed.
EXTRAS = {
    "gymnasium": ("gymnasium", "imageio"),
    "train": ("tensorboardX",),
    "download": ("huggingface_hub", "httpx2"),
    "video": ("imageio-ffmpeg",),
    "analyze": ("backports-zstd", "lz4", "markupsafe", "matplotlib", "plotly", "rosbags"),
}
# Extras that no command needs on one machine: `all` leaves them out.
CLUSTERS = {"ray": ["ray[client]"], "slurm": ["submitit"]}


def share_files(folder: str, pattern: str = "*") -> list[tuple[str, list[str]]]:
    """Lists the files below `folder` as setuptools data files, subfolders kept."""
    files = (
        path for path in Path(folder).rglob(pattern) if path.is_file() and "__pycache__" not in path.parts
    )
    return [(str(SHARE / path.parent), [str(path)]) for path in sorted(files)]


def is_colcon() -> bool:
    """Whether colcon calls."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return "colcon_distutils_commands" in {Path(path).name for path in paths}


def requirements(*names: str) -> list[str]:
    """Lines of requirements.txt: those of these names, or, without any, those that no extra has."""
    lines = [line.split("#")[0].strip() for line in Path("requirements.txt").read_text().splitlines()]
    by_name = {re.split(r"[^\w-]", line)[0]: line for line in lines if line}
    optional = {name for extra in EXTRAS.values() for name in extra}
    return [line for name, line in by_name.items() if (name in names if names else name not in optional)]


def extras() -> dict[str, list[str]]:
    """Requirements by extra, and all of them but those of clusters."""
    everything = {name for names in EXTRAS.values() for name in names}
    return CLUSTERS | {extra: requirements(*names) for extra, names in (*EXTRAS.items(), ("all", everything))}


def refuse_without_messages() -> None:
    """Ends a colcon build that would install nodes that cannot start.

    colcon does not look for packages inside a package, so the messages need a place of their own in the workspace.
    """
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    marker = Path("share/ament_index/resource_index/packages") / MESSAGES
    if is_colcon() and not any((prefix / marker).exists() for prefix in map(Path, prefixes)):
        sys.exit(
            f"error: {MESSAGES}, the messages of {PACKAGE}, is not in this workspace. "
            f"Link it and build again: ln -s {PACKAGE}/{MESSAGES} src/ && colcon build"
        )


if {"install", "develop"} & set(sys.argv) and "--help" not in sys.argv:
    refuse_without_messages()
# The one home of the version; package.xml, which ROS 2 wants as well, is held against it by a test.
VERSION = re.findall(r'^__version__ = "(.+)"$', Path(PACKAGE, "__init__.py").read_text(), re.MULTILINE)[0]
# A wheel has a command of pip's, and no nodes: they would be commands of everybody, `echo` among them.
IS_WHEEL = not is_colcon() and bool({"bdist_wheel", "dist_info", "egg_info"} & set(sys.argv))
command = [] if IS_WHEEL else [("bin", ["bin/spec-control"])]

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
    # In a workspace, rosdep and requirements.txt bring what is needed.
    install_requires=["setuptools"] if is_colcon() else requirements(),
    # colcon runs the tests only if it finds pytest among these.
    extras_require={"test": ["pytest"], **({} if is_colcon() else extras())},
    zip_safe=False,
    maintainer="The spec_control_ros authors",
    maintainer_email="maintainers@users.noreply.github.com",
    description="Speculative control with a learned world model: plan, check every tick, correct or replan.",
    license="MIT",
    entry_points={
        "console_scripts": [
            f"spec-control = {PACKAGE}.cli.main:main",
            *(f"{node} = {PACKAGE}.nodes.{node}:main" for node in NODES if not IS_WHEEL),
        ],
        # Any package may add kinds of planners to this group; a model's card names its own as `format`.
        f"{PACKAGE}.planners": [
            f"tdmpc2 = {PACKAGE}.world_model.tdmpc2_format:TDMPC2Format",
            f"sampling = {PACKAGE}.sampling.format:SamplingFormat",
            f"decision_transformer = {PACKAGE}.transformer.format:TransformerFormat",
            f"chunk_policy = {PACKAGE}.chunks.format:ChunkFormat",
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
            f"policy = {PACKAGE}.core.feedback:load_policy",
            *(
                f"{name} = {PACKAGE}.world_model.model_folder:load_{name}"
                for name in ("two_tower", "temporal")
            ),
        ],
    },
)
