"""Environments by name, and what is said of those that are none."""

import shutil
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from cart_robot import write_robot
from gymnasium.spaces import Box, Dict, Discrete

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.errors import SettingsError, TaskError
from spec_control_ros.sim.environment import file_digests, make_control_plant, make_env
from spec_control_ros.sim.plant import Plant, Step

BODY = Path(__file__).parents[1] / "data/bodies/two_link.xml"


def last_step(plant: Plant, value: float = 1.0) -> Step:
    plant.reset(0)
    while not (step := plant.step(np.full(plant.action_dim, value, np.float32))).is_last:
        pass
    return step


class Small(gymnasium.Env):
    """A dictionary of observations, bounds of all kinds, an end when it goes too far."""

    metadata = {"render_fps": 20}  # noqa: RUF012
    observation_space = Dict({"place": Box(-9, 9, (2,)), "phase": Discrete(3)})
    action_space = Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 4.0], np.float32))

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        super().reset(seed=seed)
        self.place, self.given = self.np_random.uniform(-1, 1, 2).astype(np.float32), []
        return self._obs(), {}

    def step(self, action: np.ndarray) -> tuple:
        self.given.append(action)
        self.place = self.place + 0.1 * action
        return self._obs(), 1.0, bool(self.place[0] > 2.0), False, {}

    def _obs(self) -> dict:
        return {"place": self.place.astype(np.float32), "phase": 1}


class Dreaming(Small):
    model = {"what": "a learned one"}  # noqa: RUF012


class Endless(Small):
    pass


class Buttons(Small):
    action_space = Discrete(2)


gymnasium.register("Small-v0", Small, max_episode_steps=30)
gymnasium.register("Dreaming-v0", Dreaming, max_episode_steps=30)
gymnasium.register("Endless-v0", Endless)
gymnasium.register("Buttons-v0", Buttons, max_episode_steps=30)


def test_the_suite_is_meant_where_nothing_else_is_said() -> None:
    one, other = make_env("walker-walk"), make_env("dm_control:walker-walk", 2)
    assert np.array_equal(one.reset(3), other.reset(3))
    assert one.control_period_s == other.control_period_s == pytest.approx(0.05)


def test_gymnasium_s_own_period_length_and_joints() -> None:
    plant = make_env("gymnasium:HalfCheetah-v5", 2)
    assert (plant.obs_dim, plant.action_dim, plant.episode_ticks) == (17, 6, 500)
    assert plant.control_period_s == pytest.approx(0.1)
    assert plant.joint_states().names[:3] == ("rootx", "rootz", "rooty")


def test_dictionaries_are_flattened_and_actions_are_scaled_to_the_space() -> None:
    plant = make_env("gymnasium:Small-v0")
    assert (plant.obs_dim, plant.action_dim, plant.control_period_s) == (5, 2, 0.05)
    plant.reset(0)
    for value in (-1.0, 0.0, 1.0):
        plant.step(np.full(2, value, np.float32))
    given = plant._env.unwrapped.given
    np.testing.assert_allclose(given, [[-1.0, 0.0], [1.0, 2.0], [3.0, 4.0]])


def test_an_early_end_is_told_from_a_time_limit() -> None:
    assert last_step(make_env("gymnasium:Small-v0"), value=1.0).is_terminated
    assert not last_step(make_env("gymnasium:Small-v0"), value=-1.0).is_terminated
    assert last_step(make_env(f"mjcf:{BODY}@own_body:impatient")).is_terminated
    assert not last_step(make_env(f"mjcf:{BODY}@own_body:raise_links")).is_terminated


def test_own_body_has_its_own_period_and_bounds() -> None:
    plant = make_env(f"mjcf:{BODY}@own_body:raise_links")
    assert (plant.obs_dim, plant.action_dim, plant.episode_ticks) == (4, 2, 25)
    assert plant.control_period_s == pytest.approx(0.02)
    np.testing.assert_allclose(plant.control_of(np.zeros(2, np.float32)), [0.5, 0.0])


def test_path_of_a_body_may_hold_any_sign(tmp_path: Path) -> None:
    folder = tmp_path / "me@home"
    folder.mkdir()
    file = folder / BODY.name
    file.write_bytes(BODY.read_bytes())
    assert make_env(f"mjcf:{file}@own_body:raise_links").action_dim == 2
    assert file_digests(f"state:mjcf:{file}@own_body:raise_links").keys() == {file.name}
    assert file_digests("walker-walk") == file_digests("gymnasium:Small-v0") == {}


def test_environment_with_a_model_of_its_own_kind_is_none_of_mujoco() -> None:
    plant = make_env("gymnasium:Dreaming-v0")
    plant.reset(0)
    assert plant.joint_states().names == ()
    assert plant.physics is None


def test_a_plant_of_one_s_own_is_taken_as_it_is() -> None:
    assert make_env("python:short_plant:ShortPlant").episode_ticks == 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "mujoco:Ant",
            "environment: got 'mujoco:Ant', expected one of the kinds dm_control, gymnasium, mjcf, python",
        ),
        ("walker-fly", "task: got 'walker-fly', expected one of .*walker-walk"),
        ("gymnasium:Nothing-v0", "which Gymnasium cannot make"),
        ("gymnasium:Endless-v0", "its episodes have no end"),
        ("gymnasium:Buttons-v0", r"got actions in Discrete\(2\), expected a box"),
        (f"mjcf:{BODY}", "without a task, expected mjcf:FILE@MODULE:FACTORY"),
        ("mjcf:nowhere.xml@own_body:raise_links", "nowhere.xml is not a file"),
        (f"mjcf:{__file__}@own_body:raise_links", "not a valid MuJoCo model"),
        (f"mjcf:{BODY}@own_body:nothing", "cannot be imported"),
        (f"mjcf:{BODY}@nowhere:nothing", "cannot be imported"),
        (f"mjcf:{BODY}@own_body", "cannot be imported"),
        ("python:collections:OrderedDict", "its factory gave a OrderedDict, expected"),
    ],
)
def test_what_is_no_environment_is_refused(name: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        make_env(name)


@pytest.mark.parametrize("name", ["gymnasium:Small-v0", "walker-walk"])
def test_negative_repeat_is_refused(name: str) -> None:
    with pytest.raises(TaskError, match="action_repeat: got -1, expected at least 1"):
        make_env(name, -1)


def test_module_is_found_beside_the_file_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a robot's file that is named from elsewhere."""
    (tmp_path / "robots").mkdir()
    shutil.copy(BODY, tmp_path / "robots/body.xml")
    for folder, module in (("robots", "beside_it"), (".", "where_we_are")):
        (tmp_path / folder / f"{module}.py").write_text("from own_body import raise_links")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in ("beside_it", "where_we_are"):
        assert make_env(f"mjcf:robots/body.xml@{module}:raise_links").episode_ticks == 25


def test_modules_of_one_name_belong_to_their_own_robots(tmp_path: Path) -> None:
    ticks = []
    for name, time_limit_s in (("short", 0.5), ("long", 2.0), ("short_again", 0.5)):
        (tmp_path / name).mkdir()
        robot = find_robot(str(write_robot(tmp_path / name, time_limit_s)), tmp_path)
        ticks.append(make_env(robot.environment).episode_ticks)
    assert ticks == [5, 20, 5]
    broken = tmp_path / "short/cart/broken.py"
    broken.write_text("import nothing_of_that_name")
    for _ in range(2):
        with pytest.raises(TaskError, match="which cannot be imported"):
            make_env(f"mjcf:{broken.with_name('cart.xml')}@broken:drive")


def test_package_adds_a_kind_of_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "third_party.py").write_text(
        "import gymnasium\n\ndef make(rest):\n    return gymnasium.make(f'{rest}-v5')\n"
        "\ndef broken(rest):\n    raise AssertionError\n"
    )
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[spec_control_ros.envs]\nsoon = third_party:make\nlost = third_party:gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_env("soon:InvertedPendulum", 2).obs_dim == 4
    with pytest.raises(TaskError, match=r"environment lost:x: third_party:gone cannot be imported"):
        make_env("lost:x")
    with pytest.raises(TaskError, match="kinds dm_control, gymnasium, lost, mjcf, python, soon, state;"):
        make_env("other:x")


def test_physics_is_asked_of_what_has_none() -> None:
    assert make_control_plant(f"mjcf:{BODY}@own_body:raise_links").physics.model.nu == 2
    with pytest.raises(TaskError, match="got a GymnasiumPlant, expected an environment of dm_control"):
        make_control_plant("gymnasium:Small-v0")


@pytest.mark.parametrize(
    "name", ["walker-walk", "dm_control:walker-walk", f"mjcf:{BODY}@own_body:raise_links"]
)
def test_state_of_an_environment_is_all_that_its_physics_has(name: str) -> None:
    plain, plant = make_control_plant(name), make_control_plant(f"state:{name}")
    observed = [plant.reset(3), plant.step(np.ones(plant.action_dim, np.float32)).obs]
    plain.reset(3)
    step = plain.step(np.ones(plain.action_dim, np.float32))
    data = plain.physics.data
    state = np.concatenate([data.qpos, data.qvel, data.act]).astype(np.float32)
    assert plant.obs_dim == len(observed[0]) == len(state)
    assert np.array_equal(observed[1], state)
    assert np.array_equal(plant.observe(), state)
    assert plant.control_period_s == plain.control_period_s
    assert step.obs.shape == (plain.obs_dim,)


def test_environment_that_hides_its_state_is_refused() -> None:
    with pytest.raises(
        TaskError, match=r"state:gymnasium:Small-v0: got a \w+, expected an environment of dm_control"
    ):
        make_env("state:gymnasium:Small-v0")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("make = 3", "python:own_{}:make", "a int, expected a function or a class"),
        ("def make(size): ...", "python:own_{}:make", "cannot be called with no argument .*'size'.*FACTORY"),
        ("def make(): ...", "mjcf:{body}@own_{}:make", r"cannot be called with \['.*two_link.xml'\]"),
        ("def make(:", "python:own_{}:make", "cannot be imported .*syntax"),
        (
            "def make():\n    raise KeyError('calibration')",
            "python:own_{}:make",
            r"^environment python:own_\d+:make: its factory raised KeyError: 'calibration' \(.*own_\d+\.py, line 2\)",
        ),
        ("open('/no/file')", "python:own_{}:make", r"raised FileNotFoundError: .*own_\d+\.py, line 1\)"),
    ],
)
def test_factory_that_cannot_be_used_is_said(
    content: str, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key = str(abs(hash(content)))
    (tmp_path / f"own_{key}.py").write_text(content)
    with pytest.raises(TaskError, match=said):
        make_env(name.format(key, body=BODY))


def test_fraction_of_a_repeat_is_refused() -> None:
    with pytest.raises(TaskError, match=r"action_repeat: got 1\.5, expected a whole number"):
        make_env("walker-walk", 1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["walker-walk", "gymnasium:Small-v0"])
@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_seed_that_is_none_is_refused(name: str, seed: float) -> None:
    with pytest.raises(SettingsError, match=f"seed: got {seed}, expected a whole number from 0 to"):
        make_env(name).reset(seed)  # type: ignore[arg-type]
