"""Real servers for the client tests, started as their users start them."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KEY = "sk-client-tests-0123456789"


@dataclass(frozen=True)
class Server:
    """A running server; `log` is the file that takes what it prints."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> str:
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(response.read().decode())


def missing(what: str) -> None:
    """Skip by name, but not in CI: there scripts/test installs everything."""
    message = f"needs {what}; scripts/test installs it where it can"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name)
    return str(found)


def node_modules() -> Path:
    default = ROOT / ".cache" / "node" / "node_modules"
    folder = Path(os.environ.get("PORTICO_NODE_MODULES", default))
    if not (folder / "@copilotkit" / "aimock").is_dir():
        missing("the npm package @copilotkit/aimock")
    return folder


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextlib.contextmanager
def running(
    argv: list[str],
    log: Path,
    *,
    port: int,
    ready: str,
    env: Mapping[str, str],
    patience_s: float = 20,
) -> Iterator[Server]:
    """Start a server, wait until `ready` answers 200, and stop it at the end."""
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, env=env)
    server = Server(port, log, process)
    try:
        _await_ready(server, ready, time.monotonic() + patience_s)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(server: Server, path: str, deadline: float) -> None:
    while True:
        try:
            server.get(path)
        except OSError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"did not start:\n{server.log.read_text()}") from None
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def portico(folder: Path, config: str) -> Iterator[Server]:
    """The gateway, on the Python that PORTICO_PYTHON names: the one with its packages."""
    port = free_port()
    (folder / "portico.yaml").write_text(config)
    here = ROOT / ".venv" / "bin" / "python"
    python = os.environ.get("PORTICO_PYTHON") or (str(here) if here.exists() else sys.executable)
    argv = [python, "-P", "-m", "portico", "serve", "--config", str(folder / "portico.yaml")]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder / "data")]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with running(argv, folder / "portico.log", port=port, ready="/health/ready", env=env) as server:
        yield server


@dataclass(frozen=True)
class Aimock:
    """The independent upstream; it keeps a journal of what reached it."""

    server: Server

    def requests(self) -> list[dict[str, Any]]:
        entries = json.loads(self.server.get("/__aimock/journal"))
        return list(entries)

    def last_request(self) -> dict[str, Any]:
        return self.requests()[-1]


@contextlib.contextmanager
def aimock(folder: Path) -> Iterator[Aimock]:
    node, modules = program("node"), node_modules()
    port = free_port()
    argv = [node, str(modules / "@copilotkit" / "aimock" / "dist" / "cli.js")]
    argv += ["--port", str(port), "--fixtures", str(HERE / "aimock.json")]
    with running(argv, folder / "aimock.log", port=port, ready="/health", env=os.environ) as server:
        yield Aimock(server)


def post(
    server: Server, path: str, body: object, key: str = KEY
) -> tuple[int, Mapping[str, str], bytes]:
    """One request without any SDK: status, headers, body."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
