"""What the picture of an episode shows."""

from spec_control_ros.analysis.hil_page import figure_of_episode


def test_mismatch_that_was_not_compared_is_not_drawn() -> None:
    timeline = {
        "tick": [0, 1],
        "reward": [1.0, 1.0],
        "missed": [False, False],
        "decided": [0, 1],
        "decision": ["replan", "replan"],
        "reason": ["empty", "mismatch"],
        "mismatch": [None, 0.0],
        "latency_s": [0.02, 0.02],
    }
    episode = {"seed": 0, "return": 2.0, "is_fallen": False, "size": 1.0, "period_s": 0.05, "faults": []}
    figure = figure_of_episode({**episode, "timeline": timeline})
    mismatch = next(trace for trace in figure.data if trace.name == "replan")
    assert list(mismatch.y) == [None, 0.0]
