"""A picture of a replayed sweep: how plans and decisions follow from one setting."""

from collections.abc import Sequence
from pathlib import Path

from spec_control_ros.analysis.picture import new_figure, save
from spec_control_ros.core.decision import DECISION_COLOURS as COLOURS
from spec_control_ros.core.decision import DecisionKind


def plot_sweep(
    name: str,
    values: Sequence[str],
    plans: Sequence[int],
    agreement: Sequence[float],
    recorded_plans: int,
    path: Path,
) -> None:
    """Write a PNG with planning inferences and decision agreement against the values of a setting."""
    x = [float(v) for v in values] if all(map(_is_number, values)) else list(range(len(values)))
    figure = new_figure(9.0, 5.0)
    plans_axis = figure.subplots()
    agreement_axis = plans_axis.twinx()
    plans_axis.plot(x, plans, "o-", color=COLOURS[DecisionKind.REPLAN], label="planning inferences")
    plans_axis.axhline(recorded_plans, color="#57606a", linestyle=":", label="as recorded")
    agreement_axis.plot(
        x, [100 * a for a in agreement], "s--", color=COLOURS[DecisionKind.ACCEPT], label="agreement"
    )
    if x == list(range(len(values))):
        plans_axis.set_xticks(x, values)
    plans_axis.set(xlabel=name, ylabel="planning inferences", ylim=(0, None))
    agreement_axis.set(ylabel="ticks with the recorded decision (%)", ylim=(0, 102))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Replayed on the recorded observations")
    save(figure, path)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
