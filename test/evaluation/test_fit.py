import pytest

from spec_control_ros.core.errors import MisfitError
from spec_control_ros.evaluation.fit import refuse_other_task


@pytest.mark.parametrize(
    ("own", "task"),
    [
        ("walker-walk", "dm_control:walker-walk"),
        ("state:walker-walk", "state:dm_control:walker-walk"),
        ("mjcf:robot.xml@tasks:walk", "mjcf:/some/where/robot.xml@tasks:walk"),
        ("state:mjcf:robot.xml@tasks:walk", "state:mjcf:/some/where/robot.xml@tasks:walk"),
    ],
)
def test_the_same_task_by_another_name_is_taken(own: str, task: str) -> None:
    refuse_other_task("mine", {"task": own}, task)


@pytest.mark.parametrize(
    ("own", "task"),
    [
        ("walker-walk", "walker-run"),
        ("state:walker-walk", "walker-walk"),
        ("walker-walk", "state:walker-walk"),
        ("state:mjcf:robot.xml@tasks:walk", "state:mjcf:robot.xml@tasks:run"),
    ],
)
def test_another_task_is_refused(own: str, task: str) -> None:
    with pytest.raises(MisfitError, match=f"model mine: made for {own}, expected {task}"):
        refuse_other_task("mine", {"task": own}, task)
