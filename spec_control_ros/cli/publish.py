"""`spec-control publish`: a recorded robot in the place of the plant."""

from collections import Counter

from spec_control_ros.analysis.bag.observations import read_observations
from spec_control_ros.analysis.run_log import distribution
from spec_control_ros.cli.run_options import PublishOptions
from spec_control_ros.cli.terminal import INTERRUPTED, terminal
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.ros.node_runner import spinning
from spec_control_ros.ros.observation_player import RATES, ObservationPlayer


def publish(options: PublishOptions) -> int:
    """Play the observations, and say how they were answered; returns the exit code.

    Raises:
        SpecControlError: there are no observations, no executor, or another plant.
    """
    if options.rate not in RATES:
        raise SettingsError(f"rate: got {options.rate!r}, expected one of {', '.join(RATES)}")
    sensed = read_observations(options.bag, options.namespace)
    shift = options.first_epoch - sensed[0].observation.epoch if options.first_epoch else 0
    try:
        with spinning(lambda: ObservationPlayer(sensed, options.to_namespace)) as (player, spin):
            played = player.play(
                spin,
                options.rate,
                speed=options.speed,
                epoch_shift=shift,
                start_timeout_s=options.start_timeout,
                answer_timeout_s=options.answer_timeout,
            )
    except KeyboardInterrupt:
        return INTERRUPTED
    console = terminal()
    counts = Counter(played.decisions)
    mix = ", ".join(f"{kind.name.lower()} {counts[kind]}" for kind in DecisionKind)
    console.print(f"{played.published} observations, {len(played.decisions)} answered: {mix}")
    if played.latencies_s:
        took = distribution(played.latencies_s)
        p50, p99 = (1e3 * (took[name] or 0.0) for name in ("p50", "p99"))
        console.print(f"from observation to command: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return 0
