"""Official TD-MPC2 checkpoints, fetched from the Hugging Face hub and held against the hash that it names."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled

from spec_control_ros.core.errors import SpecControlError

REPOSITORY = "nicklashansen/tdmpc2"
SHA256 = re.compile(r"[0-9a-f]{64}")
# The order in which the official multi-task models of 30 tasks number them; those of 80 begin with the same.
MULTITASK = (
    *("walker-stand", "walker-walk", "walker-run", "cheetah-run", "reacher-easy", "reacher-hard"),
    *("acrobot-swingup", "pendulum-swingup", "cartpole-balance", "cartpole-balance-sparse"),
    *("cartpole-swingup", "cartpole-swingup-sparse", "cup-catch", "finger-spin", "finger-turn-easy"),
    *("finger-turn-hard", "fish-swim", "hopper-stand", "hopper-hop", "walker-walk-backwards"),
    *("walker-run-backwards", "cheetah-run-backwards", "cheetah-run-front", "cheetah-run-back"),
    *("cheetah-jump", "hopper-hop-backwards", "reacher-three-easy", "reacher-three-hard", "cup-spin"),
    "pendulum-spin",
)
MULTITASK_SIZES = (30, 80)  # tasks of the official multi-task models


def official_name(task: str) -> str:
    """The task as the official code spells it, which has short names for two domains."""
    name = task.replace("_", "-")
    for long, short in (("ball-in-cup-", "cup-"), ("point-mass-", "pointmass-")):
        name = short + name.removeprefix(long) if name.startswith(long) else name
    return name


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of the hub that lies on this machine, its content verified."""

    name: str  # within the repository
    path: Path
    commit: str
    sha256: str


def fetch(hub: HfApi, name: str, cache: Path | None = None) -> HubFile:
    """Download a file of the official repository, unless the cache (None: huggingface_hub's) has it, and verify it.

    Raises:
        SpecControlError: no network, no such file, a full disk, a broken transfer, or other content than the hub names.
    """
    cache = Path(constants.HF_HUB_CACHE) if cache is None else cache
    with _explained(hub, name, cache):
        url = hf_hub_url(REPOSITORY, name, endpoint=hub.endpoint)
        metadata = hub.get_hf_file_metadata(url=url)
        expected, commit = metadata.etag or "", metadata.commit_hash or "main"
        if not SHA256.fullmatch(expected):
            raise SpecControlError(
                f"{name}: {hub.endpoint} names {expected!r} as its hash, expected a SHA-256: not taken unverified"
            )
        _refuse_full_disk(name, metadata.size or 0, cache)
        path = Path(hub.hf_hub_download(REPOSITORY, name, revision=commit, cache_dir=cache))
    if (got := _sha256(path)) != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise SpecControlError(
            f"{name}: the download has SHA-256 {got}, expected {expected} as the hub names it; "
            "it was removed: run the command again"
        )
    return HubFile(name, path, commit, got)


@contextmanager
def _explained(hub: HfApi, name: str, cache: Path) -> Iterator[None]:
    """Turns what huggingface_hub and the system raise into one error that says what to do."""
    try:
        yield
    except EntryNotFoundError:
        raise SpecControlError(f"{REPOSITORY} holds no {name}, expected {_alternatives(hub, name)}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise SpecControlError(
            f"{hub.endpoint} answered {status} for {name} of {REPOSITORY}, expected 200: "
            "try later, or check HF_ENDPOINT"
        ) from None
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        raise SpecControlError(
            f"{name}: {hub.endpoint} cannot be reached or broke off ({error or type(error).__name__}); "
            "where there is no network, copy the model folder, or the checkpoint for `spec-control convert`, "
            "from a machine that has one"
        ) from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SpecControlError(
                f"{name}: the disk that holds {cache} is full; set HF_HOME to another"
            ) from None
        reason = str(error).splitlines()[0]
        raise SpecControlError(
            f"{name}: the download is incomplete ({reason}): run the command again"
        ) from None


def _sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as content:
        while part := content.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _alternatives(hub: HfApi, name: str) -> str:
    """The files that come nearest: of the same task, else of the same folder."""
    files = sorted(hub.list_repo_files(REPOSITORY))
    task = name.rsplit("-", 1)[0] + "-"
    near = [f for f in files if re.fullmatch(re.escape(task) + r"[^-]+", f)]
    return "one of " + ", ".join(near or [f for f in files if f.startswith(os.path.dirname(name) + "/")])


def _refuse_full_disk(name: str, size: int, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(cache).free) < size:
        raise SpecControlError(
            f"{name}: has {size / 1e6:.0f} MB, and the disk that holds {cache} has {free / 1e6:.0f} MB left; "
            "make room, or set HF_HOME to another disk"
        )
