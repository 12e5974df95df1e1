#!/usr/bin/env bash
# Several walkers in real time on one planner: examples/fleet.sh [EPISODES] [FOLDER] [ROBOT ...]
# By default four robots, a b c d, for three episodes (75 s), with their reports in results/fleet.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
episodes=${1:-3} folder=${2:-results/fleet}
robots=("${@:3}")
((${#robots[@]})) || robots=(a b c d)
bin=$root/.venv/bin queue=12
# As `spec-control run` has it: everything stays on this machine.
export ROS_AUTOMATIC_DISCOVERY_RANGE=SYSTEM_DEFAULT OMP_NUM_THREADS=1
export FASTDDS_DEFAULT_PROFILES_FILE=$root/config/fastdds_this_machine.xml

mkdir -p "$folder"
"$bin/spec-control" parameters walker --mode realtime >"$folder/walker.yaml"
printf '/**/executor:\n  ros__parameters: {gate: {max_steps_ahead: %d}}\n' $((queue - 1)) >"$folder/queue.yaml"
"$bin/python" -m spec_control_ros.nodes.planner --ros-args --params-file "$folder/walker.yaml" -p robots:="${robots[*]}" \
    -p planner.queue_length:=$queue -p threads:=1 >"$folder/planner.log" 2>&1 &
planner=$!
trap 'kill -INT $planner 2>/dev/null; wait $planner || true' EXIT

runs=()
for robot in "${robots[@]}"; do
    "$bin/spec-control" run walker --mode realtime --namespace "$robot" --planner elsewhere --params "$folder/queue.yaml" \
        --episodes "$episodes" --seed "${#runs[@]}" --json "$folder/$robot.json" >"$folder/$robot.log" 2>&1 &
    runs+=($!)
done
for run in "${runs[@]}"; do wait "$run" || echo "a robot ended with exit code $?: see $folder" >&2; done

"$bin/python" - "$folder" "${robots[@]}" <<'PY'
import json, pathlib, sys
print("robot  seed  return  ticks  missed  plans  accept/correct/replan/hold  p99 of a step in ms")
for name in sys.argv[2:]:
    for e in json.loads(pathlib.Path(sys.argv[1], name + ".json").read_text())["episodes"]:
        kinds = "/".join(map(str, e["decisions"].values()))
        print(f"{name:5}  {e['seed']:4}  {e['return']:6.1f}  {e['ticks']:5}  {e['missed_ticks']:6}  "
              f"{e['planning_inferences']:5}  {kinds:26}  {1e3 * (e['latency_s']['p99'] or 0):.1f}")
PY
