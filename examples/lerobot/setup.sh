#!/usr/bin/env bash
# Makes an environment with LeRobot, ROS 2 as wheels, our messages and our core: setup.sh FOLDER. It needs .venv, as
# scripts/setup.sh makes it, takes its version of Python, and changes nothing in it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) ours=$root/.venv venv=$(realpath -m "${1:-lerobot-venv}")
torch=(torch==2.9.1 torchvision==0.24.1)
lerobot=(lerobot==0.4.4 "${torch[@]}" jaxtyping==0.3.11)
[[ -f $ours/share/spec_control_interfaces/package.xml ]] || { echo "setup.sh: there is no $ours yet: call scripts/setup.sh first" >&2 && exit 1; }

unset PYTHONPATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
[[ -x $venv/bin/pip ]] || "$ours/bin/python" -m venv "$venv"
pip() { "$venv/bin/pip" --disable-pip-version-check "$@"; }
if [[ ! -e /proc/driver/nvidia/version ]]; then # PyPI's torch brings gigabytes of CUDA
    pip install --timeout 5 --retries 0 --index-url https://download.pytorch.org/whl/cpu "${torch[@]}" || true
fi
pip install "${lerobot[@]}"
pip install --no-deps --require-hashes --requirement <(sed -n '/^ros-/,/[^\\]$/p' "$root/requirements.lock")

# Our messages are compiled: the same ones, for the same Python. Our package is the checkout itself.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
theirs=$ours/${site#"$venv/"}
cp -r "$theirs"/spec_control_interfaces* "$theirs/spec_control_environment.pth" "$site"
cp "$ours"/lib/libspec_control_interfaces* "$venv/lib"
(cd "$ours" && cp -r --parents share/spec_control_interfaces share/ament_index/resource_index/*/spec_control_interfaces "$venv")
"$venv/bin/python" -c 'import lerobot, rclpy, torch; from spec_control_interfaces.msg import Plan; from spec_control_ros import PlannerFormat'
echo "Done. Serve a policy: $venv/bin/python ${BASH_SOURCE[0]%/*}/serve_policy.py --ros-args -p model:=FOLDER"
