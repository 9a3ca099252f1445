# Sourced by scripts/test and scripts/bench after setup.sh: programs that are no Python package.
#
# Each function leaves 0 if the program is there, or says by name what is missing and why, counts it, and leaves 1.

missing=0

is_missing() {
    echo "portico: missing $1: $2" >&2
    missing=$((missing + 1))
    return 1
}

# apt_fetch VERB PACKAGE...: one quiet apt-get call, with one refresh of the package lists if it fails.
apt_fetch() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null 2>&1 && return
    apt-get -qq update >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

why_no_apt() {
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt-get here"
    elif [ "$(id -u)" != 0 ]; then
        echo "only root may install it"
    fi
}

# need PROGRAM PACKAGE...: install Debian packages unless PROGRAM is there.
need() {
    program=$1
    shift
    command -v "$program" >/dev/null && return
    why=$(why_no_apt)
    [ -z "$why" ] || { is_missing "$program" "$why (Debian: $*)"; return; }
    apt_fetch install -y --no-install-recommends "$@" || is_missing "$program" "apt-get could not install $*"
}

# need_unpacked PROGRAM PACKAGE FOLDER: unpack a Debian package into FOLDER, so that no service of it is started, and
# put its programs on PATH.
need_unpacked() {
    command -v "$1" >/dev/null && return
    if [ ! -x "$3/usr/bin/$1" ]; then
        why=$(why_no_apt)
        [ -z "$why" ] || { is_missing "$1" "$why (Debian: $2)"; return; }
        rm -rf "$3" && mkdir -p "$3"
        (cd "$3" && apt_fetch download "$2" && dpkg -x ./*.deb .) ||
            { is_missing "$1" "apt-get could not download $2"; return; }
    fi
    PATH="$PATH:$3/usr/bin"
}

# need_node_modules SOURCE FOLDER: what SOURCE/package-lock.json names, in FOLDER/node_modules.
need_node_modules() {
    need node nodejs npm && need npm npm || return
    cmp -s "$1/package-lock.json" "$2/installed.json" && return
    rm -rf "$2" && mkdir -p "$2" && cp "$1/package.json" "$1/package-lock.json" "$2" &&
        (cd "$2" && npm ci --silent --ignore-scripts --no-audit --no-fund >&2) &&
        cp "$1/package-lock.json" "$2/installed.json" ||
        is_missing "node modules" "npm could not install $1/package-lock.json, see above"
}
