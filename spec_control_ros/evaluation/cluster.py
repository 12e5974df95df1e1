"""Trials on a cluster: Ray's or SLURM's."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.share import PACKAGE
from spec_control_ros.core.errors import BenchmarkError, SettingsError
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.evaluation.parallel import AnySubject, Engine, LocalEngine, Shards, Submit, answers
from spec_control_ros.world_model.card import folder_card

SLURM_FOLDER = Path("results/slurm")  # of jobs and their logs; all machines see it
SLURM_JOBS = 16  # at a time
SHARDS = 4  # for each of them, so that fast machines do more
SLURM_MINUTES = 60  # for a shard; the variable SBATCH_TIMELIMIT wins
TOKEN = (
    "Where the cluster asks for a token, set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the token's file"
)


def engine_of(on: str, workers: int) -> Engine:
    """Where trials run, as the option `--on` names it, with so many processes or SLURM jobs at a time.

    0 workers are the engine's own choice.

    Raises:
        SettingsError: it is something else, or needs an extra that is not installed.
    """
    if on == "local":
        return LocalEngine(workers)
    if on == "ray" or on.startswith("ray://"):
        _required("ray")
        return RayEngine(on if "://" in on else None, workers)
    if on == "slurm":
        _required("submitit")
        return SlurmEngine(workers)
    raise SettingsError(f"on: got {on!r}, expected local, ray, ray://HOST:PORT or slurm")


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Tasks on a Ray cluster, which get this package's code and the model with them."""

    # None: that of RAY_ADDRESS, else the one that runs on this machine, else one that is started for these trials
    address: str | None = None
    workers: int = 0  # CPUs of a cluster that is started here; 0: all

    def shards(self, trials: int) -> int:
        """See `Engine`; a worker keeps its models from one task to the next."""
        return trials

    @property
    def losses(self) -> tuple[type[Exception], ...]:
        """See `Engine`."""
        errors = _required("ray.exceptions")
        return (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.ObjectLostError,
            errors.OutOfMemoryError,
        )

    @contextmanager
    def session(self, subject: AnySubject[Any, Any]) -> Iterator[Submit]:
        """See `Engine`.

        Raises:
            BenchmarkError: the cluster cannot be reached or started.
        """
        ray = _required("ray")
        with tempfile.TemporaryDirectory() as folder:
            travelling = _packed(subject, Path(folder))
            self._connect(ray, runtime_env={"working_dir": folder}, log_to_driver=False)
            try:
                needs = {
                    "num_cpus": _cpus(subject, ray.nodes()),
                    "num_gpus": int(getattr(subject, "device", "cpu") != "cpu"),
                }
                # Ray's own retries would not be told to anybody.
                task = ray.remote(max_retries=0, scheduling_strategy="SPREAD", **needs)(answers)
                yield lambda shards: [task.remote(travelling, shard).future() for shard in shards]
            finally:
                ray.shutdown()

    def _connect(self, ray: Any, **options: Any) -> None:
        address = self.address or os.environ.get("RAY_ADDRESS")
        try:
            try:
                ray.init(address, num_cpus=None if address else self.workers or None, **options)
            except ValueError:  # there is a cluster, which has its CPUs
                ray.init(address, **options)
        except (ConnectionError, _required("ray.exceptions").AuthenticationError) as error:
            raise BenchmarkError(f"on: Ray cannot be reached: {error}. {TOKEN}") from None
        except (ValueError, RuntimeError) as error:
            raise BenchmarkError(f"on: Ray cannot be used: {error}") from None


@dataclass(frozen=True, slots=True)
class SlurmEngine:
    """Jobs of a SLURM cluster whose machines share this folder, this environment and the models."""

    workers: int = 0  # jobs that run at a time; 0: `SLURM_JOBS`
    cluster: str = "slurm"  # executor of submitit's

    def shards(self, trials: int) -> int:
        """See `Engine`; every job loads the model anew."""
        return min(trials, SHARDS * (self.workers or SLURM_JOBS))

    @property
    def losses(self) -> tuple[type[Exception], ...]:
        """See `Engine`."""
        return (_required("submitit").core.utils.UncompletedJobError,)

    @contextmanager
    def session(self, subject: AnySubject[Any, Any]) -> Iterator[Submit]:
        """See `Engine`.

        Raises:
            BenchmarkError: there is no SLURM here.
        """
        try:
            executor = _required("submitit").AutoExecutor(SLURM_FOLDER, cluster=self.cluster)
        except RuntimeError as error:
            raise BenchmarkError(f"on: SLURM cannot be used: {error}") from None
        executor.update_parameters(
            timeout_min=SLURM_MINUTES,
            cpus_per_task=1,
            slurm_exclusive=getattr(subject, "needs_machine", None),
            slurm_array_parallelism=self.workers or SLURM_JOBS,
        )
        jobs: list[Any] = []

        def submit(shards: Shards) -> list[Any]:
            new = executor.map_array(answers, [subject] * len(shards), shards)
            jobs.extend(new)
            return [waiting.submit(_result, job) for job in new]

        with ThreadPoolExecutor(SHARDS * (self.workers or SLURM_JOBS)) as waiting:
            try:
                yield submit
            finally:
                for job in jobs:
                    if not job.done():
                        job.cancel()


def _result(job: Any) -> Any:
    failed = _required("submitit").core.utils.FailedJobError  # a kind of lost job to submitit
    try:
        return job.result()
    except failed as error:
        raise RuntimeError(str(error)) from None


def _cpus(subject: Any, machines: Sequence[Any]) -> int:
    """CPUs that a job asks for; of more than half of the largest machine's, no machine has room for two jobs."""
    largest = max(int(machine["Resources"].get("CPU", 0)) for machine in machines)
    return largest // 2 + 1 if getattr(subject, "needs_machine", False) else 1


def _packed(subject: Any, folder: Path) -> Any:
    """What a worker that has none of our files needs, in a folder; the subject as it is called from there."""
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    installed, about = distribution(PACKAGE.name), folder / f"{PACKAGE.name}-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {PACKAGE.name}\nVersion: {installed.version}\n")
    (about / "entry_points.txt").write_text(installed.read_text("entry_points.txt") or "")
    model: Path | None = getattr(subject, "model", None)
    if model is None:
        return subject
    # A Transformer has another's world model; of folders of one name, the model's own counts
    models = [model, *(file.parent for file in format_of(folder_card(model)).weights(model))]
    for path in {path.name: path for path in reversed(models)}.values():
        shutil.copytree(path, folder / "models" / path.name)
    return replace(subject, model=Path("models") / model.name)


def _required(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        needed = "ray[client]" if module.startswith("ray") else module
        raise SettingsError(f"on: {module} is not installed; pip install '{needed}'") from None
