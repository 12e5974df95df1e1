"""Tasks of the DeepMind Control Suite by their names."""

import difflib
import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType

from dm_control.rl import control

from spec_control_ros.core.errors import TaskError

# The suite needs it for the terrain of one task, and it loads as long as the suite
RARELY_USED = "scipy.ndimage"


def load(task: str) -> control.Environment:
    """A task of the suite: `domain-task` as in `humanoid-walk`; `cup-catch` and `ball_in_cup-catch` are one.

    Raises:
        TaskError: the suite has no such task; the message lists those that it has.
    """
    known, name = _task_names(), _spelling(task)
    if name not in known:
        near = difflib.get_close_matches(name, known)
        guess = f"; did you mean {' or '.join(near)}?" if near else ""
        raise TaskError(f"task: got {task!r}, expected one of {', '.join(sorted(known))}{guess}")
    env: control.Environment = _suite().load(*known[name], task_kwargs={"random": 0})
    return env


def is_same(name: str, other: str) -> bool:
    """Whether two names of environments are one, as `cup-catch` and `dm_control:ball_in_cup-catch`."""
    known, names = _task_names(), [_spelling(n.removeprefix("dm_control:")) for n in (name, other)]
    return name == other or known.get(names[0], name) == known.get(names[1], other)


def _spelling(task: str) -> str:
    return task.replace("_", "-")


@cache
def _suite() -> ModuleType:
    """The suite, without what it rarely uses: that loads where it is used first."""
    package, _, name = RARELY_USED.partition(".")
    if RARELY_USED not in sys.modules and (spec := importlib.util.find_spec(RARELY_USED)) and spec.loader:
        spec.loader = importlib.util.LazyLoader(spec.loader)
        sys.modules[RARELY_USED] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(sys.modules[package], name, module)  # as after an import; asking for it would load it
    return importlib.import_module("dm_control.suite")


@cache
def _task_names() -> dict[str, tuple[str, str]]:
    suite = _suite()
    names = {_spelling(f"{domain}-{task}"): (domain, task) for domain, task in suite.ALL_TASKS}
    for short, domain in (("cup", "ball_in_cup"), ("pointmass", "point_mass")):
        names |= {_spelling(f"{short}-{t}"): (d, t) for d, t in suite.ALL_TASKS if d == domain}
    return names
