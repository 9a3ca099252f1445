"""What a running process does with signals, changed files, full disks and its own sudden death."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portico.stores.journal_reader import read_records, verify
from tests.cli.process import PATIENCE_S, Gateway, portico, serving

KEY = "sk-team-a-0123456789"
OTHER = "sk-team-b-0123456789"
ECHO = {"model": "echo", "messages": [{"role": "user", "content": "a b c"}]}


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for another process: its signals and timers have no event to wait for."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def write(file: Path, key: str, extra: str = "") -> None:
    """Replaced in one step, as editors and deployments do."""
    draft = file.with_suffix(".draft")
    draft.write_text(f"server: {{host: 127.0.0.1}}\nkeys: [{{name: k, key: {key}}}]\n{extra}")
    draft.replace(file)


@contextlib.contextmanager
def configured(tmp_path: Path, extra: str = "") -> Iterator[tuple[Gateway, Path]]:
    file = tmp_path / "gw.yaml"
    write(file, KEY, extra)
    with serving(tmp_path, "-c", str(file), "--data-dir", str(tmp_path / "data")) as gateway:
        yield gateway, file


def works(gateway: Gateway, key: str) -> bool:
    return gateway.ask("GET", "/v1/models", key=key)[0] == 200


@contextlib.contextmanager
def slow_provider(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """A provider in a process of its own: it begins a stream, writes the file `begun`, and ends the
    stream when the file `go` is there."""
    program = """
import pathlib, socket, sys, time
folder = pathlib.Path(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
(folder / "port.draft").write_text(str(server.getsockname()[1]))
(folder / "port.draft").replace(folder / "port")
client, _ = server.accept()
client.recv(65536)
def send(data):
    client.sendall(b"%x\\r\\n%b\\r\\n" % (len(data), data))
client.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\n"
               b"transfer-encoding: chunked\\r\\n\\r\\n")
send(b'data: {"choices":[{"index":0,"delta":{"content":"he"},"finish_reason":null}]}\\n\\n')
(folder / "begun").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
send(b'data: {"choices":[{"index":0,"delta":{"content":"llo"},"finish_reason":"stop"}]}\\n\\n')
send(b"data: [DONE]\\n\\n")
client.sendall(b"0\\r\\n\\r\\n")
client.recv(1)
"""
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    try:
        until((tmp_path / "port").exists, "the provider listens")
        port = (tmp_path / "port").read_text()
        yield f"http://127.0.0.1:{port}", tmp_path / "begun", tmp_path / "go"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_running_stream_end_and_then_exits_0(
    number: signal.Signals, tmp_path: Path
) -> None:
    with slow_provider(tmp_path) as (url, _, go):
        more = (
            f"providers: [{{name: p, provider_type: openai_compatible, base_url: '{url}', "
            "models: [slow]}]\n"
        )
        with configured(tmp_path, more) as (gateway, _):
            connection = gateway.connect()
            headers = {"authorization": f"Bearer {KEY}"}
            body = json.dumps({**ECHO, "model": "slow", "stream": True})
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            first = response.readline()
            gateway.signal(number)
            until(lambda: "draining: 1 calls in flight" in gateway.log, "the drain begins")
            go.touch()
            rest = response.read().decode()
            connection.close()
            assert b'"he"' in first
            assert '"llo"' in rest
            assert rest.endswith("data: [DONE]\n\n")
            assert gateway.wait() == 0
    (record,) = [record for _, record in read_records(tmp_path / "data" / "journal")]
    assert record.attempts[0].outcome == "success"


def test_a_stream_that_outlasts_the_drain_is_told_why_it_ends(tmp_path: Path) -> None:
    with slow_provider(tmp_path) as (url, _, _go):
        file = tmp_path / "gw.yaml"
        file.write_text(
            "server: {host: 127.0.0.1, limits: {drain_timeout: 0.1}}\n"
            f"providers: [{{name: p, provider_type: openai_compatible, base_url: '{url}', "
            f"models: [slow]}}]\nkeys: [{{name: k, key: {KEY}}}]\n"
        )
        with serving(tmp_path, "-c", str(file), "--data-dir", str(tmp_path / "data")) as gateway:
            connection = gateway.connect()
            headers = {"authorization": f"Bearer {KEY}"}
            body = json.dumps({**ECHO, "model": "slow", "stream": True})
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            response.readline()
            gateway.signal(signal.SIGTERM)
            rest = response.read().decode()
            connection.close()
            assert "[DONE]" not in rest
            assert '"code":"server_is_shutting_down"' in rest
            assert gateway.wait() == 0
    (record,) = [record for _, record in read_records(tmp_path / "data" / "journal")]
    assert record.attempts[0].partial


def test_sighup_takes_over_a_changed_file_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    with configured(tmp_path) as (gateway, file):
        assert (works(gateway, KEY), works(gateway, OTHER)) == (True, False)
        write(file, OTHER, "model_aliases: {parrot: echo}\n")
        gateway.signal(signal.SIGHUP)
        until(lambda: works(gateway, OTHER), "the new key works")
        assert not works(gateway, KEY)
        _, answer = gateway.ask("GET", "/v1/models", key=OTHER)
        assert [one["id"] for one in answer["data"]] == ["echo", "parrot"]
        write(file, KEY, "router: {strategy: fastest}\n")
        gateway.signal(signal.SIGHUP)
        until(lambda: "reload refused" in gateway.log, "the refusal is logged")
        assert f"{file}:3:20" in gateway.log
        assert (works(gateway, KEY), works(gateway, OTHER)) == (False, True)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    with configured(tmp_path) as (gateway, file):
        write(file, OTHER)
        until(lambda: works(gateway, OTHER), "the new key works")
        assert not works(gateway, KEY)
        file.unlink()
        gateway.signal(signal.SIGHUP)
        until(lambda: "reload refused" in gateway.log, "the refusal is logged")
        assert works(gateway, OTHER)


def test_a_file_that_became_empty_takes_nothing_away(tmp_path: Path) -> None:
    with configured(tmp_path) as (gateway, file):
        file.write_text("\n")
        gateway.signal(signal.SIGHUP)
        until(lambda: "reload" in gateway.log, "it is read")
        assert (
            f"reload refused, the old configuration stays in use: {file}: is empty" in gateway.log
        )
        assert works(gateway, KEY)
        file.write_text("{}")
        gateway.signal(signal.SIGHUP)
        until(lambda: "reloaded: 0 providers, 0 routes, 0 keys" in gateway.log, "all is taken away")
        assert not works(gateway, KEY)


def test_kill_9_after_an_answer_loses_nothing(tmp_path: Path) -> None:
    with configured(tmp_path) as (gateway, _):
        ids = []
        for streamed in (False, True, False):
            connection = gateway.connect()
            headers = {"authorization": f"Bearer {KEY}"}
            body = json.dumps({**ECHO, "stream": streamed})
            connection.request("POST", "/v1/chat/completions", body, headers)
            response = connection.getresponse()
            ids.append(response.getheader("x-request-id"))
            response.read()
            connection.close()
        gateway.process.kill()
        gateway.wait()
    folder = tmp_path / "data" / "journal"
    records = [record for _, record in read_records(folder)]
    assert [record.request_id for record in records] == ids
    assert [record.streamed for record in records] == [False, True, False]
    assert verify(folder).is_sound
    shown = portico(
        "journal", "show", "--json", "--data-dir", str(tmp_path / "data"), home=tmp_path
    )
    assert len(shown.stdout.splitlines()) == 3
    checked = portico("journal", "verify", "--data-dir", str(tmp_path / "data"), home=tmp_path)
    assert checked.returncode == 0
    with configured(tmp_path) as (gateway, _):
        assert gateway.ask("POST", "/v1/chat/completions", ECHO, key=KEY)[0] == 200
    assert len(list(read_records(folder))) == 4


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a tmpfs needs root")
    options = ["-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_refuses_calls_before_they_are_sent_and_heals(
    tiny_disk: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, "--data-dir", str(tiny_disk)) as gateway:
        key = (tiny_disk / "admin.key").read_text().strip()

        def call() -> tuple[int, Any]:
            return gateway.ask(
                "POST", "/v1/chat/completions", {**ECHO, "user": "u" * 2000}, key=key
            )

        assert call()[0] == 200
        filler = tiny_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        answered = 0
        while (outcome := call())[0] == 200:
            answered += 1
            assert answered < 5000
        status, answer = outcome
        assert (status, answer["error"]["code"]) == (503, "journal_unavailable")
        assert "free space" in answer["error"]["message"]
        status, answer = gateway.ask("GET", "/health/ready")
        assert (status, answer["reason"]) == (503, "journal_unavailable")
        assert gateway.ask("GET", "/health/live")[0] == 200
        filler.unlink()
        until(lambda: call()[0] == 200, "it heals")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
        assert verify(tiny_disk / "journal").is_sound
        assert len(list(read_records(tiny_disk / "journal"))) == answered + 2
