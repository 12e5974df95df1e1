"""The same trials on this machine, on a Ray cluster that loses a machine, and as jobs of submitit."""

import importlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from spec_control_ros.core.errors import BenchmarkError, SettingsError
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.evaluation import cluster
from spec_control_ros.evaluation.cluster import RayEngine, SlurmEngine, _packed, engine_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import EpisodeRunner, Trial
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.parallel import LocalEngine, Subject, Submit, Workers, answers
from spec_control_ros.evaluation.processor import processor
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings

TASK = "cartpole-balance"


@dataclass(frozen=True)
class Doubler:
    """Doubles numbers."""

    def runner(self) -> "Doubler":
        return self

    def run(self, number: int) -> int:
        if number < 0:
            raise SettingsError(f"got {number}, expected a number from 0 on")
        return 2 * number


@dataclass(frozen=True)
class Timed(Doubler):
    """Measures time, so that nothing else may run on its machine."""

    needs_machine: ClassVar[bool] = True


class Died(Exception):
    pass


@dataclass
class PoorEngine:
    """Runs shards of two at once, in this process; loses those with some numbers."""

    deaths: dict[int, int]  # how often yet, by number
    losses: tuple[type[Exception], ...] = (Died,)

    def shards(self, trials: int) -> int:
        return (trials + 1) // 2

    @contextmanager
    def session(self, subject: Doubler) -> Iterator[Submit]:
        yield lambda shards: [self._done(subject, shard) for shard in shards]

    def _done(self, subject: Doubler, shard: Sequence[int]) -> "Future[Any]":
        future: Future[Any] = Future()
        deadly = [number for number in shard if self.deaths.get(number)]
        for number in deadly:
            self.deaths[number] -= 1
        if deadly:
            future.set_exception(Died())
        else:
            future.set_result(answers(subject, shard))
        return future


def test_trials_of_a_worker_that_dies_are_run_again_and_it_is_said() -> None:
    said: list[str] = []
    workers = Workers(PoorEngine({1: 2, 4: 1}), said.append)
    assert dict(workers.run(Doubler(), range(5))) == {i: 2 * i for i in range(5)}
    assert said == [
        "3 of 5 trials lost their workers: running these again",
        "2 of 5 trials lost their workers: running these again",
    ]
    assert workers.processors == {processor(): 5}
    workers.say_unlike_processors()
    assert len(said) == 2


def test_a_trial_that_always_kills_its_worker_is_given_up() -> None:
    workers = Workers(PoorEngine({2: 9}), lambda text: None)
    with pytest.raises(
        BenchmarkError, match=r"2 of 5 trials lost their workers 3 times.*Try fewer --workers"
    ):
        list(workers.run(Doubler(), range(5)))


def test_errors_of_a_trial_come_through() -> None:
    with pytest.raises(SettingsError, match="got -1, expected a number from 0 on"):
        list(Workers(PoorEngine({}), print).run(Doubler(), [-1, 1, 2]))


def test_unlike_processors_are_said() -> None:
    said: list[str] = []
    workers = Workers(LocalEngine(1), said.append)
    workers.processors.update({"A (AVX2)": 3, "": 1})
    workers.say_unlike_processors()
    assert not said, "what was measured before fingerprints were kept tells nothing"
    workers.processors.update({"B (AVX512)": 2})
    workers.say_unlike_processors()
    assert "processors differ" in said[0]
    assert "3 on A (AVX2); 2 on B (AVX512)" in said[0]


def test_a_processor_that_ran_nothing_is_not_counted() -> None:
    workers = Workers(LocalEngine(1), print)
    assert not list(workers.run(Doubler(), []))
    assert not workers.processors


@pytest.mark.parametrize("on", ["", "slurm:x", "ray:1", "cloud"])
def test_unknown_places_are_refused(on: str) -> None:
    with pytest.raises(SettingsError, match=r"on: got .*, expected local, ray, ray://HOST:PORT or slurm"):
        engine_of(on, 0)


@dataclass(frozen=True)
class Mortal(Subject):
    """Real episodes, the first of which takes a machine or a process with it."""

    victim: str = ""  # id of a node of Ray, or `process`
    mark: str = ""  # file that is there once it has happened

    def runner(self) -> Any:
        return MortalRunner(self, Subject.runner(self))


class MortalRunner:
    def __init__(self, subject: Mortal, episodes: EpisodeRunner):
        self._subject, self._episodes = subject, episodes

    def run(self, trial: Trial) -> Measurement:
        mark, victim = Path(self._subject.mark), self._subject.victim
        if victim == "process" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if victim != "process":
            refuse_what_did_not_travel(self._subject.model)
            if importlib.import_module("ray").get_runtime_context().get_node_id() == victim:
                mark.touch()
                for process in (os.getppid(), os.getpid()):  # Ray's own, and this one
                    os.kill(process, signal.SIGKILL)
        return self._episodes.run(trial)


def refuse_what_did_not_travel(model: Path) -> None:
    code = importlib.import_module("spec_control_ros").__file__ or ""
    if model.is_absolute() or not Path(code).is_relative_to(Path.cwd()):
        raise SettingsError(f"got the code {code} and the model {model}, expected both below {Path.cwd()}")


@pytest.fixture
def trials() -> list[Trial]:
    """Episodes of ten ticks."""
    search = MPPISettings(samples=16, prior_samples=4, elites=4, iterations=1)
    settings = ControllerSettings(
        planner=PlannerSettings(queue_length=4, mppi=search), gate=GateSettings(), action_repeat=100
    )
    return [Trial("mode", settings, seed, epoch) for epoch, seed in enumerate((3, 4, 5, 6), start=1)]


def bits(found: Iterable[tuple[Trial, Measurement]]) -> list[Measurement]:
    """All but the times, in the order of the seeds."""
    episodes = sorted((m for _, m in found), key=lambda m: m.seed)
    return [replace(m, mismatches=tuple(map(str, m.mismatches)), latencies_s=(0.0,) * 10) for m in episodes]


def here(subject: Subject, trials: Sequence[Trial]) -> list[Measurement]:
    return bits(Workers(LocalEngine(1), print).run(subject, trials))


@pytest.mark.slow
def test_ray_gives_the_very_results_of_one_machine_though_a_machine_is_lost(
    model: Path, trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    cluster_utils = importlib.import_module("ray.cluster_utils")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else other load would starve them
    node, said = {"num_cpus": 1, "object_store_memory": 80 * 2**20}, list[str]()
    machines = cluster_utils.Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False}
    )
    try:
        second = machines.add_node(**node)
        mark = tmp_path / "killed"
        workers = Workers(RayEngine(machines.address), said.append)
        found = bits(workers.run(Mortal(TASK, model, victim=second.node_id, mark=str(mark)), trials))
    finally:
        machines.shutdown()
    assert mark.exists()
    assert "of 4 trials lost their workers" in said[0]
    assert found == here(Subject(TASK, model), trials)
    assert workers.processors == {processor(): len(trials)}


@pytest.mark.slow
@pytest.mark.parametrize("on", ["processes", "submitit"])
def test_processes_give_the_very_results_of_one_though_one_is_killed(
    model: Path, trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: str
) -> None:
    said: list[str] = []
    mark, engine = tmp_path / "killed", LocalEngine(2)
    if on == "submitit":
        pytest.importorskip("submitit", reason="needs the extra `slurm`")
        importlib.import_module("cloudpickle").register_pickle_by_value(sys.modules[__name__])
        monkeypatch.chdir(tmp_path)
        engine = SlurmEngine(cluster="local")
    workers = Workers(engine, said.append)
    found = bits(workers.run(Mortal(TASK, model, victim="process", mark=str(mark)), trials[:2]))
    assert mark.exists()
    assert "of 2 trials lost their workers: running these again" in said[0]
    assert found == here(Subject(TASK, model), trials[:2])


@pytest.mark.parametrize(
    ("address", "is_running", "expected"),
    [
        ("ray://host:1", True, ("ray://host:1", None)),
        (None, True, (None, None)),
        (None, False, (None, 3)),
        ("ray://host:1", False, None),
    ],
)
def test_only_a_ray_cluster_that_is_started_is_told_how_many_cpus_it_has(
    monkeypatch: pytest.MonkeyPatch, address: str | None, is_running: bool, expected: object
) -> None:
    begun: list[tuple[str | None, int | None]] = []

    def init(address: str | None = None, num_cpus: int | None = None, **_: object) -> None:
        if address and not is_running:
            raise ConnectionError("nobody there")
        if num_cpus and is_running:
            raise ValueError("When connecting to an existing cluster, num_cpus must not be provided.")
        begun.append((address, num_cpus))

    ray = SimpleNamespace(
        init=init, shutdown=lambda: None, AuthenticationError=Died, nodes=lambda: [{"Resources": {"CPU": 5}}]
    )
    asked_for: list[int] = []
    ray.remote = lambda num_cpus, **_: asked_for.append(num_cpus) or (lambda work: work)
    monkeypatch.setattr(cluster, "_required", lambda *_: ray)
    if expected is None:
        with pytest.raises(BenchmarkError, match=r"nobody there.*RAY_AUTH_MODE=token"):
            RayEngine(address, 3).session(Doubler()).__enter__()
        return
    for subject in (Doubler(), Timed()):
        with RayEngine(address, 3).session(subject):
            assert begun.pop() == expected
    assert asked_for == [1, 3], "no machine of five CPUs has room for two of three"


def test_slurm_cuts_trials_into_shards_and_is_refused_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("submitit", reason="needs the extra `slurm`")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    engine = engine_of("slurm", 2)
    assert (engine.shards(3), engine.shards(1000)) == (3, 8)
    with pytest.raises(BenchmarkError, match="SLURM cannot be used"):
        list(Workers(engine, print).run(Doubler(), range(2)))


def test_the_model_beneath_a_model_travels_with_it(tmp_path: Path) -> None:
    model = Path(__file__).resolve().parents[2] / "models/walker-transformer"
    packed = _packed(Subject("walker-walk", model), tmp_path)
    assert packed.model == Path("models/walker-transformer")
    for name in ("walker-transformer/planner.json", "walker-walk/world_model.safetensors"):
        assert (tmp_path / "models" / name).is_file()
