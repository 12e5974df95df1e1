"""Official checkpoints: sizes from tensors, multi-task models, and files that are not what they seem."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from official_checkpoint import official_keys, write
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.world_model import official
from spec_control_ros.world_model.dimensions import SIZES, official_dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.official import load_official
from spec_control_ros.world_model.single_task import single_task


@pytest.fixture
def multitask(small_model: Callable[..., WorldModel]) -> WorldModel:
    model = small_model(tasks=3, task_embedding=4, action=4, q_members=5)
    model.action_masks.copy_(torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]).float())
    model.task_embedding.copy_(torch.randn(3, 4) * torch.tensor([[0.1], [1.0], [10.0]]))
    return model


class TestSizes:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("tasks", [0, 80])
    def test_official_size_is_recognised_from_its_tensors(self, size: str, tasks: int) -> None:
        dims = official_dimensions(size, 39, 6, tasks=tasks, task_embedding=96 if tasks else 0)
        with torch.device("meta"):
            model = WorldModel(dims)
        found = official._dimensions(Path("x.pt"), official._own_names(Path("x.pt"), official_keys(model)))
        assert found == dims
        assert found.size == size

    def test_narrower_multitask_model_of_19_million_is_recognised(self) -> None:
        dims = official_dimensions("19", 39, 6)
        with torch.device("meta"):
            model = WorldModel(official.Dimensions(**{**SIZES["19"], "latent": 512}, obs=39, action=6))
        assert dims.size == model.dims.size == "19"

    def test_other_widths_are_custom(self, small_model: Callable[..., WorldModel]) -> None:
        assert small_model().dims.size == "custom"

    def test_parameters_are_as_many_as_the_size_says(self) -> None:
        for size, millions in (("1", 1.2), ("5", 5.0), ("19", 19.0), ("48", 48.0), ("317", 317.0)):
            with torch.device("meta"):
                model = WorldModel(
                    official_dimensions(size, 39, 6, tasks=80, task_embedding=96)
                    if size != "1"
                    else official_dimensions(size, 39, 6)
                )
            total = sum(p.numel() for p in model.parameters()) / 1e6
            assert total == pytest.approx(millions, rel=0.2), size


class TestMultitask:
    def test_masks_and_embedding_are_read(self, multitask: WorldModel, tmp_path: Path) -> None:
        loaded = load_official(write(tmp_path / "m.pt", official_keys(multitask)))
        assert loaded.dims == multitask.dims
        assert torch.equal(loaded.action_masks, multitask.action_masks)
        assert torch.equal(loaded.task_embedding, multitask.task_embedding)

    @pytest.mark.parametrize("task", range(3))
    def test_embedding_is_kept_in_the_unit_ball(self, multitask: WorldModel, task: int) -> None:
        embedding = torch.nn.Embedding(3, 4, max_norm=1.0, _weight=multitask.task_embedding.clone())
        with torch.no_grad():
            kept = embedding(torch.tensor([task]))
        obs = torch.randn(6, multitask.dims.obs)
        expected = multitask.encoder(torch.cat([obs, kept.expand(6, -1)], dim=-1))
        single = single_task(multitask, task, multitask.dims.obs, multitask.dims.action)
        torch.testing.assert_close(single.encode(obs), expected, atol=1e-6, rtol=0.0)

    def test_older_file_without_masks_takes_the_action_dimensions(
        self, multitask: WorldModel, tmp_path: Path
    ) -> None:
        tensors = official_keys(multitask)
        del tensors["_action_masks"]
        loaded = load_official(write(tmp_path / "m.pt", tensors), [2, 4, 1])
        assert torch.equal(loaded.action_masks, multitask.action_masks)

    @pytest.mark.parametrize(
        ("action_dims", "said"),
        [
            (None, "got none action dimensions, expected one for each of its 3 tasks \\(--action-dims\\)"),
            ([2, 4], "got 2 action dimensions, expected one for each of its 3 tasks"),
            ([2, 5, 1], "got action dimensions 2, 5, 1, expected each from 1 to 4"),
            ([2, 4, 0], "expected each from 1 to 4"),
        ],
    )
    def test_older_file_without_masks_refuses_wrong_action_dimensions(
        self, multitask: WorldModel, tmp_path: Path, action_dims: list[int] | None, said: str
    ) -> None:
        tensors = official_keys(multitask)
        del tensors["_action_masks"]
        with pytest.raises(CheckpointError, match=said):
            load_official(write(tmp_path / "m.pt", tensors), action_dims)


class TestNames:
    @pytest.fixture
    def model(self, small_model: Callable[..., WorldModel]) -> WorldModel:
        return small_model()

    @pytest.mark.parametrize(
        "prefix", ["_orig_mod.", "module.", "module._orig_mod.", "model.", "agent.model."]
    )
    def test_what_training_puts_before_names_is_left_out(
        self, model: WorldModel, tmp_path: Path, prefix: str
    ) -> None:
        path = write(tmp_path / "m.pt", {prefix + k: v for k, v in official_keys(model).items()})
        assert _is_same(load_official(path), model)

    def test_parts_that_were_compiled_alone_are_read(self, model: WorldModel, tmp_path: Path) -> None:
        keys = {k.replace("_encoder.", "_encoder._orig_mod."): v for k, v in official_keys(model).items()}
        assert _is_same(load_official(write(tmp_path / "m.pt", keys)), model)

    @pytest.mark.parametrize(
        "below", [(), ("state_dict",), ("agent",), ("model",), ("agent", "model"), ("model_state_dict",)]
    )
    def test_state_dict_is_found_below_the_usual_keys(
        self, model: WorldModel, tmp_path: Path, below: tuple[str, ...]
    ) -> None:
        content: dict[str, Any] = official_keys(model)
        for key in reversed(below):
            content = {key: content, "step": 100}
        torch.save(content, tmp_path / "m.pt")
        assert _is_same(load_official(tmp_path / "m.pt"), model)

    def test_two_models_in_one_are_refused(self, model: WorldModel, tmp_path: Path) -> None:
        keys = official_keys(model)
        path = write(tmp_path / "m.pt", keys | {f"module.{k}": v for k, v in keys.items()})
        with pytest.raises(CheckpointError, match=r"got tensor .* twice, expected one model's state dict"):
            load_official(path)


def _is_same(got: WorldModel, expected: WorldModel) -> bool:
    tensors = expected.state_dict()
    return all(torch.equal(tensor, tensors[name]) for name, tensor in got.state_dict().items())


class Malicious:
    """Runs code when it is unpickled."""

    def __init__(self, witness: Path):
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.witness),)


class TestBadFiles:
    @pytest.fixture
    def tensors(self, small_model: Callable[..., WorldModel]) -> dict[str, Tensor]:
        return official_keys(small_model())

    @pytest.mark.filterwarnings("ignore:Detected pickle protocol")
    def test_file_that_holds_code_is_refused_and_nothing_runs(self, tmp_path: Path) -> None:
        witness = tmp_path / "it_ran"
        for name, save in (("zip.pt", torch.save), ("plain.pt", lambda o, p: p.write_bytes(pickle.dumps(o)))):
            path = tmp_path / name
            save({"model": {"_pi.0.weight": Malicious(witness)}}, path)
            with pytest.raises(CheckpointError, match=f"{name}.*nothing in it was run"):
                load_official(path)
            assert not witness.exists()

    def test_truncated_file_is_refused_wherever_it_ends(
        self, tensors: dict[str, Tensor], tmp_path: Path
    ) -> None:
        whole = write(tmp_path / "whole.pt", tensors).read_bytes()
        path = tmp_path / "cut.pt"
        for length in (0, 1, 2, 100, 1000, len(whole) // 2, len(whole) - 1000, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=r"cut\.pt: not a whole checkpoint"):
                load_official(path)

    def test_missing_file_and_folder_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match=r"none\.pt: no such file"):
            load_official(tmp_path / "none.pt")
        with pytest.raises(CheckpointError, match="a folder; expected a file of weights"):
            load_official(tmp_path)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
                "Git LFS pointer .*git lfs pull",
            ),
            (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "a web page in place of the weights"),
            (b"\xef\xbb\xbf<html>", "a web page in place of the weights"),
            (b"", "the file is empty"),
            (b"\x80\x02}q\x00(X\x01", "damaged, cut off, or of another format"),
            (b"PK\x03\x04 no archive", "damaged, cut off, or of another format"),
            (b"(lp0\n", "damaged, cut off, or of another format"),
        ],
    )
    def test_file_that_is_something_else_is_called_what_it_is(
        self, tmp_path: Path, content: bytes, said: str
    ) -> None:
        (tmp_path / "x.pt").write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"x\.pt: .*{said}"):
            load_official(tmp_path / "x.pt")

    def test_no_message_tells_to_load_without_protection(self, tmp_path: Path) -> None:
        torch.save({"model": Malicious(tmp_path / "it_ran")}, tmp_path / "code.pt")
        (tmp_path / "noise.pt").write_bytes(bytes(range(256)))
        for name in ("code.pt", "noise.pt"):
            with pytest.raises(CheckpointError) as caught:
                load_official(tmp_path / name)
            assert not any(
                word in str(caught.value) for word in ("weights_only", "trust", "add_safe_globals")
            )

    @pytest.mark.parametrize(
        ("kind", "change"),
        [
            ("sparse", lambda tensor: tensor.to_sparse()),
            ("complex", lambda tensor: tensor.to(torch.complex64)),
            ("without content", lambda tensor: tensor.to("meta")),
            ("quantized", lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)),
        ],
    )
    @pytest.mark.filterwarnings("ignore")
    def test_tensors_of_another_kind_are_refused_by_name(
        self, tmp_path: Path, tensors: dict[str, Tensor], kind: str, change: Callable[[Tensor], Tensor]
    ) -> None:
        path = write(tmp_path / "m.pt", tensors | {"_pi.2.bias": change(tensors["_pi.2.bias"])})
        with pytest.raises(
            CheckpointError, match=rf"m\.pt: tensor _pi\.2\.bias is {kind}.*expected dense real"
        ):
            load_official(path)

    def test_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        torch.save([1, 2, 3], tmp_path / "list.pt")
        with pytest.raises(CheckpointError, match="got a list, expected a state dict"):
            load_official(tmp_path / "list.pt")
        torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
        with pytest.raises(CheckpointError, match="is this a TD-MPC2 checkpoint"):
            load_official(tmp_path / "other.pt")

    def test_model_of_pixels_is_refused(self, tmp_path: Path, tensors: dict[str, Tensor]) -> None:
        path = write(tmp_path / "p.pt", tensors | {"_encoder.rgb.0.weight": torch.zeros(1)})
        with pytest.raises(CheckpointError, match="only state observations are supported"):
            load_official(path)

    def test_layout_that_no_published_code_reads_is_refused(self, tmp_path: Path) -> None:
        flat = {"_encoder.state.0.weight": torch.zeros(8, 5), "_encoder.state.1.weight": torch.ones(8)}
        with pytest.raises(CheckpointError, match=r"f\.pt: its layers and norms .* another seed"):
            load_official(write(tmp_path / "f.pt", flat))

    def test_every_missing_tensor_is_named(self, tmp_path: Path, tensors: dict[str, Tensor]) -> None:
        for key in tensors:
            path = write(tmp_path / "m.pt", {k: v for k, v in tensors.items() if k != key})
            with pytest.raises(CheckpointError, match=r"m\.pt: .*(missing|has shape|expected)"):
                load_official(path)

    def test_wrong_shape_names_tensor_got_and_expected(
        self, tmp_path: Path, tensors: dict[str, Tensor]
    ) -> None:
        path = write(tmp_path / "m.pt", tensors | {"_dynamics.1.bias": torch.zeros(7)})
        said = r"m\.pt: tensor dynamics\.1\.bias has shape \(7,\), expected \(24,\)"
        with pytest.raises(CheckpointError, match=said):
            load_official(path)

    @pytest.mark.parametrize("key", ["_encoder.state.0.weight", "_dynamics.0.weight", "_Qs.params.0.weight"])
    def test_wrong_number_of_axes_is_refused(
        self, tmp_path: Path, tensors: dict[str, Tensor], key: str
    ) -> None:
        path = write(tmp_path / "m.pt", tensors | {key: torch.zeros(7)})
        with pytest.raises(CheckpointError, match=r"has shape \(7,\), expected \d axes"):
            load_official(path)

    def test_other_number_of_bins_is_refused(self, tmp_path: Path, tensors: dict[str, Tensor]) -> None:
        path = write(tmp_path / "m.pt", tensors | {"_reward.2.weight": torch.zeros(51, 24)})
        with pytest.raises(CheckpointError, match="has 51 bins, expected 101"):
            load_official(path)

    def test_unknown_tensor_is_refused(self, tmp_path: Path, tensors: dict[str, Tensor]) -> None:
        path = write(tmp_path / "m.pt", tensors | {"_pi.7.weight": torch.zeros(3)})
        with pytest.raises(CheckpointError, match=r"unknown tensor prior_head\.7\.weight"):
            load_official(path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_non_finite_tensor_is_refused(
        self, tmp_path: Path, tensors: dict[str, Tensor], value: float
    ) -> None:
        broken = tensors["_pi.2.bias"].clone()
        broken[0] = value
        path = write(tmp_path / "m.pt", tensors | {"_pi.2.bias": broken})
        with pytest.raises(CheckpointError, match=r"tensor prior_head\.2\.bias holds non-finite values"):
            load_official(path)

    def test_single_value_ensemble_is_refused(self, tmp_path: Path, tensors: dict[str, Tensor]) -> None:
        single = {k: v[:1] if k.startswith("_Qs.") else v for k, v in tensors.items()}
        with pytest.raises(CheckpointError, match="q_members: got 1, expected at least 2"):
            load_official(write(tmp_path / "m.pt", single))
