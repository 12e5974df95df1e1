"""Downloads by the real huggingface_hub from a local stand-in of the hub."""

import errno
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, Hub
from huggingface_hub import HfApi

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.world_model.hub import REPOSITORY, HubFile, fetch

NAME = "dmcontrol/walker-walk-1.pt"
CONTENT = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)


@pytest.fixture
def hub(hub_server: Hub) -> Hub:
    hub_server.files = {
        NAME: CONTENT,
        "dmcontrol/walker-walk-2.pt": b"2",
        "dmcontrol/walker-run-1.pt": b"3",
        "multitask/mt30-5M.pt": b"4",
    }
    return hub_server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def get(hub: Hub, cache: Path, name: str = NAME) -> HubFile:
    return fetch(HfApi(endpoint=hub.endpoint, token=False), name, cache)


def files_in(cache: Path) -> list[Path]:
    """Contents that a cache holds, whole or in part."""
    return [p for p in cache.rglob("*") if p.is_file() and "blobs" in p.parts]


def test_file_comes_whole_with_its_hash_and_commit(hub: Hub, cache: Path) -> None:
    file = get(hub, cache)
    assert file.path.read_bytes() == CONTENT
    assert (file.name, file.commit, file.sha256) == (NAME, COMMIT, sha256(CONTENT).hexdigest())


def test_second_time_it_is_taken_from_the_cache(hub: Hub, cache: Path) -> None:
    assert get(hub, cache) == get(hub, cache)
    assert len(hub.transfers) == 1


def test_broken_transfer_goes_on_where_it_broke_off(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)
    hub.breaks_after = [1000, 500]
    assert get(hub, cache).path.read_bytes() == CONTENT
    assert hub.transfers == ["", "bytes=1000-", "bytes=1500-"]


def test_transfer_that_never_ends_well_is_refused_and_leaves_nothing(hub: Hub, cache: Path) -> None:
    hub.breaks_after = [1000] + [0] * 20
    with pytest.raises(SpecControlError, match=r"walker-walk-1\.pt: .* cannot be reached or broke off"):
        get(hub, cache)
    assert files_in(cache) == []


def test_file_shorter_than_announced_is_refused(hub: Hub, cache: Path) -> None:
    hub.claims = {"X-Linked-Size": str(len(CONTENT) + 1)}
    with pytest.raises(SpecControlError, match=r"the download is incomplete .* run the command again"):
        get(hub, cache)
    assert files_in(cache) == []


def test_other_content_than_announced_is_refused_and_removed(hub: Hub, cache: Path) -> None:
    hub.claims = {"X-Linked-Etag": f'"{"a" * 64}"'}
    said = f"the download has SHA-256 {sha256(CONTENT).hexdigest()}, expected {'a' * 64}"
    with pytest.raises(SpecControlError, match=said):
        get(hub, cache)
    assert files_in(cache) == []
    hub.claims = {}
    assert get(hub, cache).path.read_bytes() == CONTENT


def test_content_that_changed_in_the_cache_is_refused_and_comes_anew(hub: Hub, cache: Path) -> None:
    get(hub, cache).path.write_bytes(b"changed")
    with pytest.raises(SpecControlError, match="it was removed: run the command again"):
        get(hub, cache)
    assert get(hub, cache).path.read_bytes() == CONTENT


def test_hash_that_is_none_is_not_trusted(hub: Hub, cache: Path) -> None:
    hub.claims = {"X-Linked-Etag": '"5f1a"'}
    with pytest.raises(SpecControlError, match="names '5f1a' as its hash, expected a SHA-256"):
        get(hub, cache)


def test_unknown_seed_lists_those_that_there_are(hub: Hub, cache: Path) -> None:
    said = r"no dmcontrol/walker-walk-9\.pt, expected one of dmcontrol/walker-walk-1\.pt, dmcontrol/walker-walk-2\.pt$"
    with pytest.raises(SpecControlError, match=said):
        get(hub, cache, "dmcontrol/walker-walk-9.pt")


def test_unknown_task_lists_its_folder(hub: Hub, cache: Path) -> None:
    said = r"expected one of dmcontrol/walker-run-1\.pt, .*walker-walk-2\.pt$"
    with pytest.raises(SpecControlError, match=said):
        get(hub, cache, "dmcontrol/humanoid_CMU-run-1.pt")


def test_without_a_network_the_way_out_is_told(cache: Path) -> None:
    said = r"http://127\.0\.0\.1:9 cannot be reached.* copy the model folder"
    with pytest.raises(SpecControlError, match=said):
        fetch(HfApi(endpoint="http://127.0.0.1:9", token=False), NAME, cache)


@pytest.mark.parametrize("status", [401, 500])
def test_answer_that_is_no_file_is_told(hub: Hub, cache: Path, status: int) -> None:
    hub.status = status
    with pytest.raises(SpecControlError, match=f"answered {status} for {NAME} of {REPOSITORY}"):
        get(hub, cache)


def test_file_that_does_not_fit_on_the_disk_is_not_begun(hub: Hub, cache: Path) -> None:
    hub.claims = {"X-Linked-Size": str(10**18)}
    with pytest.raises(SpecControlError, match=r"has 1000000000000 MB, and the disk that holds .* make room"):
        get(hub, cache)
    assert hub.transfers == []


def test_disk_that_fills_up_is_told(hub: Hub, cache: Path) -> None:
    class Filling(HfApi):
        def hf_hub_download(self, *_: Any, **__: Any) -> str:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SpecControlError, match=r"the disk that holds .* is full; set HF_HOME"):
        fetch(Filling(endpoint=hub.endpoint, token=False), NAME, cache)
