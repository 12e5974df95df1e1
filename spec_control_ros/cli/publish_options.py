"""What `publish` is asked; the docstring of the class is the help of its command."""

from dataclasses import dataclass
from typing import Annotated

import typer

from spec_control_ros.cli.options import Bag, RecordedNamespace, number, real


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """Publish the observations of a bag to a running executor, in place of the robot."""

    bag: Bag
    rate: Annotated[
        str,
        typer.Option(
            help="When to publish: recorded (at the recorded times) or answered (after each answer)"
        ),
    ] = "recorded"
    speed: Annotated[float, real("Factor on recorded time; 2 is twice as fast", low=0.001)] = 1.0
    first_epoch: Annotated[
        int,
        number("Number of the first epoch; an executor refuses epochs seen before [default: the recorded]"),
    ] = 0
    namespace: RecordedNamespace = None
    to_namespace: Annotated[str, typer.Option(help="Namespace of the executor")] = ""
    start_timeout: Annotated[float, real("Seconds to wait for an executor", low=0.0)] = 60.0
    answer_timeout: Annotated[
        float, real("Seconds to wait for an answer before the next observation is published", low=0.0)
    ] = 10.0
