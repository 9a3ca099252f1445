"""A gateway as its users start it: a process, its output, its signals."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 20.0


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of the caller's: no provider keys, no settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        **(extra or {}),
    }


def portico(
    *argv: str, home: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portico", *argv],
        env=environment(home, env),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Gateway:
    """A running process; `banner` is what it said before it was ready."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log_file = log
        self.banner = ""
        assert process.stdout is not None
        for line in process.stdout:
            self.banner += line
            if line.strip().startswith("-d "):
                break
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1\b", self.banner)
        assert found, f"did not start: {self.banner}{log.read_text()}"
        self.port = int(found[1])

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, Any]:
        with contextlib.closing(self.connect()) as connection:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
        kind = response.getheader("content-type") or ""
        return response.status, json.loads(text) if kind.startswith("application/json") else text

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def serving(home: Path, *argv: str, env: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """`portico serve` on a free port, with its data under `home`; killed at the end if need be."""
    log = home / "stderr.log"
    with log.open("a") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "portico", "serve", "--port", "0", *argv],
            env=environment(home, env),
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    try:
        yield Gateway(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
