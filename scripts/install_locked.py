"""Make a virtual environment that holds exactly what a lock file names.

    install_locked.py FOLDER LOCK

Run by any Python 3.11 or newer with nothing installed. The lock's copy is written last, so an
installation that was cut short is made anew; a file lock lets two scripts start at once.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

STAMP = "installed.lock"


def main() -> int:
    folder, lock = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        with alone(folder):
            if not is_current(folder, lock):
                make(folder, lock)
    except OSError as error:
        return failed(folder, f"{error.strerror}: {error.filename}")
    except subprocess.CalledProcessError:
        why = (
            f"pip could not install {lock.name}, see above; the first time it needs a package index"
        )
        return failed(folder, why)
    return 0


def is_current(folder: Path, lock: Path) -> bool:
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_bytes() == lock.read_bytes()


def make(folder: Path, lock: Path) -> None:
    print(f"portico: installing {lock} into {folder} (once)", file=sys.stderr, flush=True)
    if folder.exists():
        shutil.rmtree(folder)
    venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", lock], check=True)
    package = Path(__file__).parent.parent / "portico"
    subprocess.run([python, "-m", "compileall", "-qq", folder / "lib", package], check=False)
    shutil.copyfile(lock, folder / STAMP)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a lock beside `folder`; a second script waits here and then finds the work done."""
    held = os.open(folder.parent, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def failed(folder: Path, why: str) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    print(f"portico: could not set up {folder}: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
