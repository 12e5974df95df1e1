"""Recorded parameters of older versions."""

from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.replay.recording import Recording
from spec_control_ros.evaluation.replay.session import GONE, _of_this_version


def test_parameters_that_are_gone_are_left_out_and_told_where_they_had_an_effect() -> None:
    recording = Recording(parameters={"executor": {"gate": {**GONE, "commit_ticks": 3, "accept": 0.2}}})
    settings = ControllerSettings.of(_of_this_version(recording))
    assert (settings.gate.accept, settings.executor) == (0.2, ExecutorSettings())
    assert recording.losses == ["parameters that this version does not have, gate.commit_ticks = 3"]
    assert recording.parameters["executor"]["gate"]["commit_ticks"] == 3, "the recording is left as it is"


def test_defaults_of_older_versions_are_no_loss() -> None:
    recording = Recording(parameters={"executor": {"gate": dict(GONE)}})
    assert ControllerSettings.of(_of_this_version(recording)) == ControllerSettings()
    assert recording.losses == []
