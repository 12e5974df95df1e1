#!/usr/bin/env bash
# Sets up what is missing, checks the code and runs the tests. With arguments: only pytest, with these arguments.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh --quiet
if [[ -f .venv/environment.sh ]]; then
    # shellcheck disable=SC1091
    source .venv/environment.sh
fi
export PATH=$PWD/.venv/bin:$PATH
unset PYTHONDONTWRITEBYTECODE # each of several hundred processes would compile its imports anew: seconds, with PyTorch

if (($# == 0)); then
    ruff check .
    ruff format --check .
    mypy
    lint-imports
    scripts/site.sh
    # Each process has a DDS domain of its own. More than two would disturb the nodes' timing on small machines.
    set -- --numprocesses=auto --maxprocesses=2 --dist=worksteal
fi
exec python -m pytest "$@"
