import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spec_control_ros.core.corrector import AUTO, NONE, Corrector
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.temporal import TemporalCorrector
from spec_control_ros.correctors.two_tower import TwoTowerCorrector
from spec_control_ros.world_model.card import Card, find_folder
from spec_control_ros.world_model.checkpoint import load_world_model, save_world_model, update_card
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder
from spec_control_ros.world_model.tick_networks import NativeCorrector

KINDS = {"two_tower": TwoTowerCorrector, "temporal": TemporalCorrector}


@pytest.fixture
def model(small_model: Callable[..., WorldModel]) -> WorldModel:
    return small_model()


@pytest.fixture
def folder(model: WorldModel, tmp_path: Path) -> ModelFolder:
    made = ModelFolder(tmp_path / "cup-catch")
    save_world_model(made.path / WEIGHTS, model, {"task": "cup-catch"})
    for kind, corrector in KINDS.items():
        dims = CorrectorDimensions(latent=model.dims.latent, action=model.dims.action, hidden=16)
        made.save_corrector(kind, corrector(dims), {"samples": 5})
    return made


@pytest.fixture(params=["world_model", "tick_model"])
def read(request: pytest.FixtureRequest, folder: ModelFolder) -> Callable[[], object]:
    """As the planner reads it, and as the executor does, without PyTorch."""
    return getattr(folder, request.param)  # type: ignore[no-any-return]


class TestWorldModel:
    def test_saved_model_is_the_same_once_loaded(self, folder: ModelFolder, model: WorldModel) -> None:
        loaded, card = folder.world_model()
        assert card["task"] == "cup-catch"
        assert folder.card() == card
        assert loaded.dims == model.dims
        for name, tensor in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor), name
        assert not loaded.training
        assert not any(p.requires_grad for p in loaded.parameters())

    @pytest.mark.parametrize("dimensions", [{"tasks": 2, "task_embedding": 3}, {"has_termination": True}])
    def test_every_kind_of_model_survives(
        self, dimensions: dict[str, int], small_model: Callable[..., WorldModel], tmp_path: Path
    ) -> None:
        model = small_model(**dimensions)
        save_world_model(tmp_path / WEIGHTS, model, {})
        loaded, _ = load_world_model(tmp_path / WEIGHTS)
        assert loaded.dims == model.dims

    def test_full_disk_leaves_weights_and_card_of_one_model(
        self, folder: ModelFolder, small_model: Callable[..., WorldModel], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = {path: path.read_bytes() for path in folder.path.iterdir()}
        other = small_model()
        next(other.parameters()).data.add_(1.0)

        def full(*_: object) -> None:  # the weights had found room
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(CheckpointError, match=r"world_model\.json: cannot be written .*No space"):
            save_world_model(folder.path / WEIGHTS, other, {"task": "cup-catch"})
        assert {path: path.read_bytes() for path in folder.path.iterdir()} == before

    def test_weights_that_are_not_finite_are_not_written(
        self, folder: ModelFolder, small_model: Callable[..., WorldModel]
    ) -> None:
        before = (folder.path / WEIGHTS).read_bytes()
        broken = small_model()
        broken.state_dict()["encoder.0.bias"][0] = torch.nan
        with pytest.raises(CheckpointError, match=r"encoder\.0\.bias is not finite; nothing was written"):
            save_world_model(folder.path / WEIGHTS, broken, {"task": "cup-catch"})
        assert (folder.path / WEIGHTS).read_bytes() == before

    def test_loading_leaves_the_random_state_alone(self, folder: ModelFolder) -> None:
        before = torch.get_rng_state()
        folder.world_model()
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
    def test_truncated_weights_are_refused(
        self, folder: ModelFolder, read: Callable[[], object], part: float
    ) -> None:
        path = folder.path / WEIGHTS
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(CheckpointError, match=r"safetensors: not a whole (safetensors file|checkpoint)"):
            read()

    def test_missing_weights_are_named(self, folder: ModelFolder, read: Callable[[], object]) -> None:
        (folder.path / WEIGHTS).unlink()
        with pytest.raises(CheckpointError, match=r"world_model\.safetensors: no such file"):
            read()

    @pytest.mark.parametrize(
        ("name", "tensor", "said"),
        [
            ("encoder.0.bias", None, r"tensor encoder\.0\.bias is missing, expected shape \(16,\)"),
            ("encoder.0.bias", torch.zeros(3, 2), r"encoder\.0\.bias has shape \(3, 2\), expected \(16,\)"),
            ("surplus", torch.zeros(1), r"unknown tensor surplus, expected only encoder"),
            ("encoder.0.bias", torch.full((16,), torch.nan), r"encoder\.0\.bias holds non-finite values"),
        ],
    )
    def test_tensors_that_do_not_fit_are_named(
        self,
        folder: ModelFolder,
        read: Callable[[], object],
        name: str,
        tensor: torch.Tensor | None,
        said: str,
    ) -> None:
        path = folder.path / WEIGHTS
        tensors = load_file(path)
        tensors.pop(name, None)
        save_file(tensors | ({name: tensor} if tensor is not None else {}), path)
        with pytest.raises(CheckpointError, match=said) as refusal:
            read()
        assert str(path) in str(refusal.value)


DIMENSIONS: dict[str, Any] = {
    "obs": 5,
    "action": 2,
    "latent": 16,
    "encoder": 16,
    "encoder_layers": 1,
    "hidden": 24,
    "q_members": 3,
}


class TestCard:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", r"world_model\.json: not JSON"),
            ("{", r"world_model\.json: not JSON"),
            ("[1]", r"got a list, expected an object"),
            ("{}", "format None, expected 'tdmpc2'"),
            ('{"format": "other"}', "format 'other', expected 'tdmpc2'"),
            ('{"format": "tdmpc2"}', "dimensions do not make a model"),
            ('{"format": "tdmpc2", "dimensions": [1]}', r"dimensions: got \[1\], expected dict"),
            ('{"format": "tdmpc2", "dimensions": {"obs": 3}}', "dimensions do not make a model"),
        ],
    )
    def test_garbled_card_is_refused(
        self, folder: ModelFolder, read: Callable[[], object], text: str, said: str
    ) -> None:
        (folder.path / "world_model.json").write_text(text)
        with pytest.raises(CheckpointError, match=said):
            read()

    @pytest.mark.parametrize(
        "change",
        [
            {"latent": 17},
            {"latent": -8},
            {"latent": "16"},
            {"latent": 16.0},
            {"latent": None},
            {"tasks": -1},
            {"q_members": 1},
            {"surplus": 1},
            {"latent": 8 * 10**12},
            {"hidden": 10**9, "encoder": 10**9},
        ],
    )
    def test_dimensions_that_make_no_such_model_are_refused(
        self, folder: ModelFolder, read: Callable[[], object], change: dict[str, Any]
    ) -> None:
        card = {"format": "tdmpc2", "dimensions": DIMENSIONS | change}
        (folder.path / "world_model.json").write_text(json.dumps(card))
        with pytest.raises(CheckpointError, match=str(folder.path)):
            read()

    def test_card_that_is_not_text_is_refused(self, folder: ModelFolder, read: Callable[[], object]) -> None:
        (folder.path / "world_model.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(CheckpointError, match="not JSON"):
            read()

    def test_missing_card_is_named(self, folder: ModelFolder, read: Callable[[], object]) -> None:
        (folder.path / "world_model.json").unlink()
        with pytest.raises(CheckpointError, match=r"world_model\.json: no such file"):
            read()

    def test_folder_in_the_card_s_place_is_refused(
        self, folder: ModelFolder, read: Callable[[], object]
    ) -> None:
        (folder.path / "world_model.json").unlink()
        (folder.path / "world_model.json").mkdir()
        with pytest.raises(CheckpointError, match=r"world_model\.json"):
            read()


class TestCorrectors:
    @pytest.mark.parametrize("kind", KINDS)
    def test_saved_corrector_is_the_same_once_loaded(
        self, folder: ModelFolder, model: WorldModel, kind: str
    ) -> None:
        dims = CorrectorDimensions(latent=16, action=2, hidden=32, window=3)
        corrector = KINDS[kind](dims)
        torch.nn.init.normal_(corrector.head.weight)
        folder.save_corrector(kind, corrector, {})
        loaded = folder.learned_corrector(kind, tick_model(model))
        assert loaded.dims == dims
        for name, tensor in corrector.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor), name
        assert not any(p.requires_grad for p in loaded.parameters())

    def test_none_is_no_corrector(self, folder: ModelFolder, model: WorldModel) -> None:
        assert folder.corrector(NONE, tick_model(model)) is None

    @pytest.mark.parametrize(
        ("none", "two_tower", "temporal", "chosen"),
        [
            (0.0, 2.0, 1.0, "two_tower"),
            (0.0, 1.0, 2.0, "temporal"),
            (0.0, 1.6, 2.0, "two_tower"),  # within 2.0 +- 0.5, and it takes less time
            (1.4, 1.6, 2.0, "two_tower"),
            (1.6, 2.0, 1.0, NONE),  # within 2.0 +- 0.5, and it takes no time at all
            (3.0, 2.0, 1.0, NONE),
        ],
    )
    def test_auto_is_the_quickest_of_those_that_return_as_much_as_any(
        self,
        folder: ModelFolder,
        model: WorldModel,
        none: float,
        two_tower: float,
        temporal: float,
        chosen: str,
    ) -> None:
        for kind, mean in (("two_tower", two_tower), ("temporal", temporal)):
            measured = {"open_loop": _returns(none), "corrected": _returns(mean)}
            update_card(folder.weights_of(kind), "evaluation", measured)
        assert _kind(folder.corrector(AUTO, tick_model(model))) == chosen

    def test_single_episodes_show_no_corrector_to_return_more(
        self, folder: ModelFolder, model: WorldModel
    ) -> None:
        for kind, mean in (("two_tower", 2.0), ("temporal", 3.0)):
            single = {"open_loop": _returns(1.0, None), "corrected": _returns(mean, None)}
            update_card(folder.weights_of(kind), "evaluation", single)
        assert folder.corrector(AUTO, tick_model(model)) is None

    def test_auto_takes_any_that_was_not_measured_and_does_without(
        self, folder: ModelFolder, model: WorldModel
    ) -> None:
        assert _kind(folder.corrector(AUTO, tick_model(model))) == "two_tower"
        (folder.path / "two_tower.safetensors").unlink()
        assert _kind(folder.corrector(AUTO, tick_model(model))) == "temporal"
        (folder.path / "temporal.safetensors").unlink()
        assert folder.corrector(AUTO, tick_model(model)) is None

    def test_missing_corrector_lists_those_that_there_are(
        self, folder: ModelFolder, model: WorldModel
    ) -> None:
        (folder.path / "temporal.safetensors").unlink()
        said = r"temporal\.safetensors: no such corrector; expected one of none, two_tower for this model"
        with pytest.raises(CheckpointError, match=said):
            folder.corrector("temporal", tick_model(model))

    def test_corrector_of_another_model_is_refused(
        self, folder: ModelFolder, small_model: Callable[..., WorldModel]
    ) -> None:
        said = "made for latent 16 and action 2, expected 16 and 3"
        with pytest.raises(CheckpointError, match=said):
            folder.corrector("two_tower", tick_model(small_model(action=3)))

    @pytest.mark.parametrize(
        "dimensions",
        [
            None,
            {},
            {"latent": 16, "action": 2, "hidden": 0},
            {"latent": 16, "action": 2, "hidden": "16"},
            {"latent": 16, "action": 2, "hidden": 16.0},
            {"latent": 16, "action": 2, "hidden": 16, "colour": 1},
        ],
    )
    def test_garbled_card_is_refused(
        self, folder: ModelFolder, model: WorldModel, dimensions: dict[str, Any] | None
    ) -> None:
        card = {"format": "two_tower", "dimensions": dimensions}
        (folder.path / "two_tower.json").write_text(json.dumps(card))
        with pytest.raises(CheckpointError, match=str(folder.path)):
            folder.corrector("two_tower", tick_model(model))

    def test_file_of_the_other_kind_is_refused(self, folder: ModelFolder, model: WorldModel) -> None:
        for suffix in ("safetensors", "json"):
            (folder.path / f"temporal.{suffix}").replace(folder.path / f"two_tower.{suffix}")
        with pytest.raises(CheckpointError, match=r"two_tower\.(json|safetensors): "):
            folder.corrector("two_tower", tick_model(model))


class TestFinding:
    def test_shipped_model_is_found_by_its_name(self, folder: ModelFolder) -> None:
        assert find_folder("cup-catch", folder.path.parent) == folder.path.resolve()

    def test_any_model_is_found_by_its_path(self, folder: ModelFolder, tmp_path: Path) -> None:
        assert find_folder(str(folder.path), tmp_path / "none") == folder.path.resolve()

    @pytest.mark.parametrize("name", ["", "cup", "/nowhere", "."])
    def test_unknown_model_lists_those_that_there_are(self, folder: ModelFolder, name: str) -> None:
        with pytest.raises(CheckpointError, match=f"got '{name}', expected one of cup-catch, or the path"):
            find_folder(name, folder.path.parent)


def _kind(corrector: Corrector | None) -> str:
    """Whether it is a native program or, without a compiler, PyTorch's network."""
    if corrector is None:
        return NONE
    if isinstance(corrector, NativeCorrector):
        return corrector.kind
    return next(kind for kind, network in KINDS.items() if isinstance(corrector, network))


def _returns(mean: float, half: float | None = 0.5) -> Card:
    return {
        "command": "spec-control distill",
        "seeds": [1],
        "returns": [mean],
        "return_mean": mean,
        "return_ci95": half,
    }
