"""What metadata.yaml says about a bag, as far as it can be believed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_METADATA = 10**6  # bytes


@dataclass(frozen=True, slots=True)
class Metadata:
    """Of a bag; empty where there is no metadata.yaml, or a damaged one."""

    files: tuple[str, ...] = ()  # names, without folders
    starts_ns: dict[str, int] = field(default_factory=dict)  # by file, since the Unix epoch
    message_count: int | None = None


def read_metadata(path: Path) -> Metadata:
    """What a metadata.yaml says."""
    try:
        if path.stat().st_size > MAX_METADATA:
            return Metadata()
        stated = yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]
        names = dict.fromkeys(Path(name).name for name in stated.get("relative_file_paths") or ())
        starts = dict(_start(file) for file in stated.get("files") or ())
        count = stated.get("message_count")
    except (OSError, yaml.YAMLError, LookupError, AttributeError, TypeError, ValueError, RecursionError):
        return Metadata()
    return Metadata(tuple(names), starts, count if isinstance(count, int) else None)


def _start(file: Any) -> tuple[str, int]:
    return Path(file["path"]).name, int(file["starting_time"]["nanoseconds_since_epoch"])
