#!/usr/bin/env bash
# Builds the documentation site into site/; every broken link is an error. `scripts/site.sh serve` shows it while you write.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$PWD/.venv/site # apart from the package's own: it needs nothing of that, and must change nothing there
lock=docs/requirements.lock
if ! cmp --quiet "$lock" "$venv/installed.lock"; then
    echo "Installing what the documentation site needs ..."
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/pip" install -qq --disable-pip-version-check --no-deps --require-hashes --requirement "$lock"
    cp "$lock" "$venv/installed.lock"
fi
export NO_MKDOCS_2_WARNING=1
exec "$venv/bin/mkdocs" "${@:-build}"
