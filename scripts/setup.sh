# Sourced by the scripts beside it: where the checkout is, which Python to use, and how a virtual environment is kept
# equal to its lock file. POSIX sh, so that scripts/run works where bash is not installed.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1

# Bytecode is what makes the second start quick; these environments are the project's own, so write it.
unset PYTHONDONTWRITEBYTECODE

find_python() {
    without_venv=""
    set -- ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python
    for candidate; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            python=$candidate
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        echo "portico: $without_venv has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2
    else
        echo "portico: needs Python 3.11 or newer, and found none (tried: $*)." >&2
        echo "         Install it, or say where it is: PYTHON=/path/to/python3.11 $0" >&2
    fi
    exit 1
}

# is_current FOLDER LOCK: was FOLDER installed from exactly this lock file, and is its Python still there?
is_current() {
    [ -x "$1/bin/python" ] && cmp -s "$2" "$1/installed.lock"
}

# ensure_venv FOLDER LOCK: make or remake FOLDER from LOCK, unless it is current.
ensure_venv() {
    is_current "$1" "$2" && return
    find_python
    "$python" "$root/scripts/install_locked.py" "$1" "$2" || exit 1
}
