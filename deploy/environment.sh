#!/bin/sh
# Make .venv hold exactly what uv.lock says: `environment.sh run` or, with the tools for tests, `dev`.
# Does nothing when it already does. Variables: PYTHON (default python3).
set -eu
cd "$(dirname "$0")/.."
UV=0.13.9
python=${PYTHON:-python3}

fail() {
    echo "trialsite: $1" >&2
    exit 1
}

lock=$(cksum <uv.lock)
holds() { # $1: run or dev
    [ -x .venv/bin/python ] && [ -e ".venv/.synced-$1" ] && [ "$(cat ".venv/.synced-$1")" = "$lock" ]
}
# The tools for tests come on top of what serving needs.
if holds dev || { [ "$1" = run ] && holds run; }; then exit 0; fi

command -v "$python" >/dev/null ||
    fail "$python was not found. Install Python 3.11 or newer (Debian: apt install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 make …)."
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "Python's venv module is missing. Install it (Debian: apt install python3-venv) and try again."
    echo "Making the virtual environment .venv …"
    rm -rf .venv
    "$python" -m venv .venv || {
        rm -rf .venv
        fail "The virtual environment could not be made; see above."
    }
fi
[ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" = "$UV" ] ||
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV" ||
    fail "uv could not be installed; see above (is the package index within reach?)."

rm -f .venv/.synced-run .venv/.synced-dev
[ "$1" = dev ] && group=--dev || group=--no-dev
echo "Installing what uv.lock names …"
VIRTUAL_ENV="$PWD/.venv" UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync --quiet --frozen --active "$group" ||
    fail "The packages could not be installed; see above."
echo "$lock" >".venv/.synced-$1"
