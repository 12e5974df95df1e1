"""How a robot behind a bridge does, in words."""

from spec_control_ros.core.health import Finding, Level
from spec_control_ros.sim.robot_bridge import RobotBridge, Stop
from spec_control_ros.sim.sensors import Sensors

SAFE = "the robot has the safe command"


def sensor_faults(sensors: Sensors, now_s: float) -> str:
    """What is wrong with the sensors; empty if they are right."""
    faults = sensors.faults_now(now_s).items()
    return ", ".join(f"{sensor.value}: {fault.value} ({fault.meaning})" for sensor, fault in faults)


def why_stopped(bridge: RobotBridge, missing: tuple[str, ...], rivals: tuple[str, ...], now_s: float) -> str:
    """Why the robot has the safe command; empty while it has not."""
    whys = {
        Stop.CONTROLLER: f"the controller does not listen: {', '.join(missing) or 'there is none'}",
        Stop.RIVAL: f"others command the controller as well: {', '.join(rivals)}",
        Stop.SENSORS: sensor_faults(bridge.sensors, now_s) or "there is no observation",
        Stop.SILENCE: "the executor is silent, or its commands are refused",
    }
    return "; ".join(why for stop, why in whys.items() if stop in bridge.stops)


def robot_finding(bridge: RobotBridge, why_stopped: str, faults: str, waiting_for: str | None) -> Finding:
    """The worst of what there is to say, and which messages of sensors were refused since that was asked last.

    Words are empty where there is nothing to say: why the robot has the safe command, what is wrong with its sensors,
    and what is waited for while no episode is running.
    """
    state, worst = bridge.episode, Finding(Level.OK, "running")
    if why_stopped:
        worst = Finding(Level.ERROR, f"{why_stopped}: {SAFE}")
    elif faults:
        worst = Finding(Level.ERROR, faults)
    elif not bridge.is_running:
        worst = Finding(Level.WARN, "waiting: " + (waiting_for or "the robot goes to its start"))
    elif state.missed_ticks or state.dropped:
        worst = Finding(Level.WARN, f"{state.missed_ticks} ticks missed, {state.dropped} commands refused")
    return worst.worsened(Level.WARN, bridge.sensors.take_refused())
