#!/bin/sh
# Makes the venv $VENV what requirements.lock says, or returns at once if it is.
#
# The stamp is written last and says what it was made from, so an install that was cut short, a
# changed lock, a moved folder or a Python that is gone are all healed by the next make. PYTHON
# chooses the interpreter; without it the newest suitable one is found by running each.
set -eu
cd "$(dirname "$0")/.."
. tools/suitable.sh

venv=${VENV:-.venv}
stamp=$venv/.made-from

wanted() {
    cksum requirements.lock pyproject.toml
    pwd
}

if [ -f "$stamp" ] && [ "$(wanted)" = "$(cat "$stamp")" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

python=
for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
    if suitable "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    if [ -n "${PYTHON:-}" ]; then
        echo "PYTHON=$PYTHON is not a Python 3.11 or later with its venv module" >&2
    else
        echo "Sonnette needs Python 3.11 or later with its venv module (Debian: apt install python3-venv); export PYTHON=/path/to/python chooses one" >&2
    fi
    exit 1
fi

echo "making $venv with $("$python" --version)"
if [ ! -f "$stamp" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
fi
rm -f "$stamp"
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --quiet "$@"
}
pip --require-hashes -r requirements.lock
pip --no-deps --no-build-isolation -e .
wanted >"$stamp.new"
mv "$stamp.new" "$stamp"
