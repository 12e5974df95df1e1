"""The executor node and the bare echo as processes, with a driver that stands in for plant and planner."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

from rclpy.node import Node

from benchmarks.executor.latency_driver import LatencyDriver
from benchmarks.executor.synthetic_planner import SyntheticPlanner
from spec_control_ros.bringup.supervisor import Supervisor
from spec_control_ros.bringup.system import Process
from spec_control_ros.cli.system import environment, new_log_folder
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.node_settings import RealTimeSettings
from spec_control_ros.ros.node_runner import spinning
from spec_control_ros.ros.real_time import enter_real_time

START_TIMEOUT_S = 60.0
SETTLE_S = 1.0  # for the last of them to find each other


@contextmanager
def driven(
    system: Sequence[Process], synthetic: SyntheticPlanner, real_time: RealTimeSettings
) -> Iterator[LatencyDriver]:
    """The driver of these processes, once they are ready; they end with the context.

    Args:
        system: executor and echo.
        synthetic: what the driver says.
        real_time: of the driver, so that what holds it up is not taken for theirs.

    Raises:
        SpecControlError: another system is running, one died, or does not get ready.
    """
    supervisor = Supervisor(new_log_folder(), environment())
    try:
        with spinning(lambda: Node("latency_driver")) as (node, spin):
            driver = LatencyDriver(node, spin, synthetic)
            _refuse_company(driver)
            for process in system:
                supervisor.start(process)
            enter_real_time(replace(real_time, lock_memory=False))  # after that, for they would inherit it
            _wait_until_ready(driver, supervisor)
            yield driver
            _refuse_dead(supervisor)
    finally:
        supervisor.stop()


def _refuse_company(driver: LatencyDriver) -> None:
    driver.spin_until(perf_counter() + SETTLE_S)
    if driver.node.count_publishers("command"):
        raise SpecControlError(
            "an executor publishes on `command` already: end its system, or set another ROS_DOMAIN_ID"
        )


def _wait_until_ready(driver: LatencyDriver, supervisor: Supervisor) -> None:
    end_s = perf_counter() + START_TIMEOUT_S
    while not driver.has_peers:
        _refuse_dead(supervisor)
        if perf_counter() > end_s:
            child = supervisor.children[0]
            raise SpecControlError(
                f"the executor is not ready after {START_TIMEOUT_S:.0f} s; the end of {child.log}:\n{child.tail()}"
            )
        driver.spin_until(perf_counter() + 0.1)
    driver.spin_until(perf_counter() + SETTLE_S)


def _refuse_dead(supervisor: Supervisor) -> None:
    for child in supervisor.ended():
        raise SpecControlError(
            f"{child.name} died with exit code {child.popen.returncode}; the end of {child.log}:\n{child.tail()}"
        )
