"""Any task of the DeepMind Control Suite as a plant."""

import difflib
from functools import cache

from dm_control import suite

from spec_control_ros.core.errors import TaskError
from spec_control_ros.sim.control_plant import ControlPlant


class SuitePlant(ControlPlant):
    """One task of the suite.

    Args:
        task: `domain-task` as in `humanoid-walk`; `cup-catch` and `ball_in_cup-catch` are one.
        action_repeat: control steps of dm_control in a tick.

    Raises:
        TaskError: the suite has no such task, or its episodes never end.
    """

    def __init__(self, task: str, action_repeat: int = 2):
        super().__init__(suite.load(*split_task(task), task_kwargs={"random": 0}), task, action_repeat)


def split_task(task: str) -> tuple[str, str]:
    """dm_control's (domain, task) for our name.

    Raises:
        TaskError: the suite has no such task; the message lists those that it has.
    """
    known = _task_names()
    name = task.replace("_", "-")
    if name not in known:
        near = difflib.get_close_matches(name, known)
        guess = f"; did you mean {' or '.join(near)}?" if near else ""
        raise TaskError(f"task: got {task!r}, expected one of {', '.join(sorted(known))}{guess}")
    return known[name]


@cache
def _task_names() -> dict[str, tuple[str, str]]:
    names = {f"{domain}-{task}".replace("_", "-"): (domain, task) for domain, task in suite.ALL_TASKS}
    for short, domain in (("cup", "ball_in_cup"), ("pointmass", "point_mass")):
        names |= {f"{short}-{t}".replace("_", "-"): (d, t) for d, t in suite.ALL_TASKS if d == domain}
    return names
