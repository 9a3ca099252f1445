"""`kill -9` at random and at every system call: what `append` returned for is there, once."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portico.stores.journal import FileJournal
from portico.stores.journal_reader import read_records, verify

ROOT = Path(__file__).parents[2]

CHILD = """
import os, sys
from pathlib import Path
from portico.stores.journal import FileJournal
from portico.types.call import CallRecord

folder, count, segment_bytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
journal = FileJournal.open(folder, segment_bytes=segment_bytes)
for number in range(count):
    id = f"{os.getpid()}-{number}"
    journal.admit()
    journal.append(CallRecord(
        id=id, request_id=id, at=1.5, operation="chat", key_id="k", route="r", status=200
    ))
    os.write(1, id.encode() + b"\\n")
journal.sync()
journal.close()
"""


def _command(folder: Path, count: int, segment_bytes: int) -> list[str]:
    return [sys.executable, "-c", CHILD, str(folder), str(count), str(segment_bytes)]


def _environ() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def _check(folder: Path, printed: list[str]) -> None:
    """Reopen as a restart does; every id that was printed is there once, and all is sound."""
    FileJournal.open(folder).close()
    ids = [record.id for _, record in read_records(folder)]
    assert len(ids) == len(set(ids))
    assert set(printed) <= set(ids)
    assert verify(folder).is_sound


def test_twenty_rounds_of_kill_9_at_random_lose_and_double_nothing(tmp_path):
    rng = random.Random(20261123)
    printed: list[str] = []
    for _ in range(20):
        child = subprocess.Popen(
            _command(tmp_path, 1_000_000, 20_000), stdout=subprocess.PIPE, env=_environ()
        )
        assert child.stdout is not None
        with child.stdout:
            for _ in range(rng.randrange(1, 1500)):
                printed.append(child.stdout.readline().decode().strip())
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().decode().split("\n")
        printed += rest[:-1]
        assert child.wait() == -signal.SIGKILL
        _check(tmp_path, printed)
    assert all(printed)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["write", "fallocate", "ftruncate", "fdatasync", "flock"])
def test_kill_9_at_every_system_call_of_the_journal(tmp_path, call):
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    if subprocess.run([*strace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace may not trace here")
    killed = 0
    while True:
        folder = tmp_path / str(killed)
        done = subprocess.run(
            [
                *strace,
                "-e",
                f"inject={call}:signal=KILL:when={killed + 1}",
                *_command(folder, 20, 600),
            ],
            capture_output=True,
            env=_environ(),
            check=False,
        )
        printed = done.stdout.decode().split("\n")[:-1]
        if folder.exists():
            _check(folder, printed)
        if done.returncode == 0:
            break
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr
        killed += 1
    assert len(printed) == 20
    assert killed >= {"write": 40, "fallocate": 4, "ftruncate": 4, "fdatasync": 4, "flock": 1}[call]
