"""What `publish` is asked; the docstring of the class is the help of its command."""

from dataclasses import dataclass

from spec_control_ros.cli.options import Bag, RecordedNamespace, number, option, real


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """Publish the observations of a bag to a running executor, in place of the robot."""

    bag: Bag
    rate: str = option(
        "recorded", "When to publish: recorded (at the recorded times) or answered (after each answer)"
    )
    speed: float = real(1.0, "Factor on recorded time; 2 is twice as fast", low=0.001)
    first_epoch: int = number(
        0, "Number of the first epoch; an executor refuses epochs seen before [default: the recorded]"
    )
    namespace: RecordedNamespace = None
    to_namespace: str = option("", "Namespace of the executor")
    start_timeout: float = real(60.0, "Seconds to wait for an executor", low=0.0)
    answer_timeout: float = real(
        10.0, "Seconds to wait for an answer before the next observation is published", low=0.0
    )
