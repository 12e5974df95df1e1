#!/usr/bin/env bash
# Sets up what is missing and runs the whole system: scripts/run.sh [robot] [options of `spec-control run`].
# Without arguments it runs the humanoid and leaves results/humanoid.json and results/humanoid.png.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/setup.sh" --quiet
unset PYTHONDONTWRITEBYTECODE # every start would compile PyTorch's Python anew, which takes seconds

if (($# == 0)); then
    mkdir -p "$root/results"
    set -- humanoid --json "$root/results/humanoid.json" --plot "$root/results/humanoid.png"
elif [[ $1 == -* ]]; then
    set -- humanoid "$@"
fi
exec "$root/.venv/bin/spec-control" run "$@"
