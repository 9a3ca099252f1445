"""Start things pinned to a core, drive them, and read what they used from /proc."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cases import Case
from contenders import HERE, Contender, Ports, environment
from providers import PIECES, write_answers

GATEWAY_CORE, LOAD_CORE = "0", "1"


class Failed(Exception):
    """A contender that did not start or did not do its work; the message says why."""


@dataclass
class Running:
    contender: Contender
    ports: Ports
    folder: Path
    process: subprocess.Popen[bytes]
    ready_ms: float
    idle_mib: float

    def request_files(self, case: Case) -> tuple[Path, Path, Path]:
        """Headers and body for wrk, and the whole request for openloop."""
        head = "".join(f"{k}: {v}\n" for k, v in self.contender.all_headers(self.ports).items())
        body = case.body(self.contender.model_for(case))
        target = self.contender.target(case)
        line = f"POST {target} HTTP/1.1\nhost: 127.0.0.1\ncontent-length: {len(body)}\n"
        headers, body_file, whole = (
            self.folder / f"{case.name}.{kind}" for kind in ("head", "body", "http")
        )
        headers.write_text(head)
        body_file.write_bytes(body)
        whole.write_bytes((line + head + "\n").replace("\n", "\r\n").encode() + body)
        return headers, body_file, whole


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


def pair_of_ports() -> tuple[Ports, Ports]:
    """For a contender and for nginx beside it, before the same upstream."""
    gateway, stream, floor_gateway, floor_stream, up_a, up_b = free_ports(6)
    return Ports(gateway, stream, up_a, up_b), Ports(floor_gateway, floor_stream, up_a, up_b)


@contextlib.contextmanager
def upstream(folder: Path, case: Case, ports: Ports) -> Iterator[None]:
    answers = folder / "answers" / case.provider
    answers.mkdir(parents=True, exist_ok=True)
    write_answers(answers, case.provider)
    listen = [str(ports.upstream_a), str(ports.upstream_b)]
    argv = [str(folder / "upstream"), str(answers), str(PIECES), str(case.pace_us), *listen]
    process = subprocess.Popen(["taskset", "-c", LOAD_CORE, *argv])
    try:
        _await_port(ports.upstream_b, process)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def started(contender: Contender, folder: Path, case: Case, ports: Ports) -> Iterator[Running]:
    """Start it on the gateway's core and wait until it answers `case` rightly."""
    folder.mkdir(parents=True, exist_ok=True)
    argv, additions = contender.command(folder, ports)
    log = folder / "log"
    begin = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", GATEWAY_CORE, *argv],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(additions),
            cwd=folder,
            start_new_session=True,
        )
    try:
        if contender.address_file:
            ports = _announced(folder / "address", ports, process)
        _await_answer(contender, case, ports, process, log)
        ready_ms = (time.perf_counter() - begin) * 1e3
        yield Running(contender, ports, folder, process, ready_ms, resident_mib(process.pid))
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise Failed(f"nothing listens on {port}")


def _announced(address: Path, ports: Ports, process: subprocess.Popen[bytes]) -> Ports:
    for _ in range(3000):
        if address.exists() and address.read_text():
            port = urlsplit(address.read_text()).port or 0
            return Ports(port, port, ports.upstream_a, ports.upstream_b)
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise Failed(f"{address} was not written")


def _await_answer(
    contender: Contender, case: Case, ports: Ports, process: subprocess.Popen[bytes], log: Path
) -> None:
    why: str | None = "no answer"
    for _ in range(12000):
        try:
            why = fault(contender, case, ports)
        except OSError as error:
            why = str(error)
        if why is None:
            return
        if process.poll() is not None or "status 4" in why:
            break
        time.sleep(0.005)
    raise Failed(f"{contender.title}: {why}\n{log.read_text(errors='replace')[-1500:]}")


def fault(contender: Contender, case: Case, ports: Ports) -> str | None:
    """Ask once; what is wrong with the answer, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", contender.port(case, ports), timeout=60)
    with contextlib.closing(connection):
        headers = contender.all_headers(ports)
        body = case.body(contender.model_for(case))
        connection.request("POST", contender.target(case), body, headers)
        response = connection.getresponse()
        return case.fault(response.status, response.read(), is_forwarded=contender.forwards)


@dataclass(frozen=True)
class Load:
    """One run of wrk: what the contender spent on it, and how many it answered."""

    cpu_us: float
    per_second: float
    failed: int


def drive(running: Running, case: Case, seconds: int) -> Load:
    headers, body, _ = running.request_files(case)
    port = running.contender.port(case, running.ports)
    url = f"http://127.0.0.1:{port}{running.contender.target(case)}"
    connections = min(case.connections, running.contender.connections)
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    argv = [
        "taskset",
        "-c",
        LOAD_CORE,
        *wrk,
        "-s",
        str(HERE / "post.lua"),
        url,
        "--",
        str(headers),
        str(body),
    ]
    before = cpu_seconds(running.process.pid)
    report = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(running.process.pid) - before
    done = re.search(r"(\d+) requests in", report)
    rate = re.search(r"Requests/sec:\s+(\S+)", report)
    if not done or not rate or int(done[1]) == 0:
        raise Failed(f"{running.contender.title} answered nothing: {report}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report
    )
    failed = int(refused[1]) if refused else 0
    failed += sum(map(int, broken.groups())) if broken else 0
    return Load(spent / int(done[1]) * 1e6, float(rate[1]), failed)


def open_loop(
    binary: Path,
    port: int,
    request: Path,
    *,
    rate: int,
    seconds: float,
    connections: int = 32,
) -> dict[str, float]:
    argv = [
        "taskset",
        "-c",
        LOAD_CORE,
        str(binary),
        str(port),
        str(request),
        str(rate),
        f"{seconds:g}",
        str(connections),
    ]
    result: dict[str, float] = json.loads(
        subprocess.run(argv, capture_output=True, check=True).stdout
    )
    return result


def _group(pgid: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (pid, fields of its stat line after the command's name) of all in the group."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == pgid:
                    yield int(entry), fields


def cpu_seconds(pgid: int) -> float:
    """User and system time, from the scheduler's own count, which is in nanoseconds."""
    total = 0
    for pid, _ in _group(pgid):
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(thread.read_text().split()[0])
    return total / 1e9


def resident_mib(pgid: int) -> float:
    total = 0
    for pid, _ in _group(pgid):
        with contextlib.suppress(OSError):
            match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            total += int(match[1]) if match else 0
    return round(total / 1024, 1)
