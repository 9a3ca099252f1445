"""Keys that a program prints: what it may print, how long, how much, and who ends it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamUnavailable
from portico.http.tokens_aws import find_aws
from portico.http.tokens_process import MAX_OUTPUT, ProcessKeys
from portico.types.credential import AwsKeys
from portico.types.secret import Secret
from tests.http.token_server import NOW, files, run, serving

KEYS = {
    "Version": 1,
    "AccessKeyId": "ASIA",
    "SecretAccessKey": "secret",
    "SessionToken": "session",
    "Expiration": "2026-11-23T13:14:56Z",
}


def program(folder: Path, code: str, *arguments: str, timeout_s: float = 30.0) -> ProcessKeys:
    """A profile whose command runs this Python."""
    script = folder / "the keys.py"
    script.write_text(code)
    words = " ".join(f"'{argument}'" for argument in arguments)
    command = f"{sys.executable} '{script}' {words}"
    return ProcessKeys(command, {"GIVEN": "by the operator"}, profile="p", timeout_s=timeout_s)


def printing(value: Any) -> str:
    return f"print({json.dumps(value)!r})"


@pytest.mark.parametrize(
    ("printed", "keys"),
    [
        (KEYS, AwsKeys("ASIA", Secret("secret"), Secret("session"), NOW + 2400)),
        (
            {"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s"},
            AwsKeys("AKIA", Secret("s")),
        ),
        (
            {**KEYS, "Expiration": "2026-11-23T14:14:56+01:00"},
            AwsKeys("ASIA", Secret("secret"), Secret("session"), NOW + 2400),
        ),
    ],
)
def test_the_keys_are_what_it_prints(tmp_path: Path, printed: Any, keys: AwsKeys) -> None:
    async def test() -> None:
        assert await program(tmp_path, printing(printed)).fetch(NOW) == keys

    run(test)


def test_it_gets_its_arguments_and_the_environment_and_no_shell(tmp_path: Path) -> None:
    code = (
        "import json, os, sys\n"
        "assert sys.stdin.read() == ''\n"
        "sys.stderr.write('to be seen by nobody')\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': os.environ['GIVEN'],"
        " 'SecretAccessKey': '|'.join(sys.argv[1:])}))"
    )

    async def test() -> None:
        source = program(tmp_path, code, "a b", "$HOME; exit 3", "*")
        assert await source.fetch(NOW) == AwsKeys("by the operator", Secret("a b|$HOME; exit 3|*"))

    run(test)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(7)", "ended with the status 7; run it by hand"),
        ("print('secret, but no JSON')", "is not a JSON object"),
        (printing({**KEYS, "Version": 2}), "not of version 1"),
        (printing({**KEYS, "SecretAccessKey": ""}), "has no `SecretAccessKey`"),
        (printing({**KEYS, "Expiration": "soon"}), "unreadable `Expiration`"),
        (f"print('secret' * {MAX_OUTPUT})", f"printed more than {MAX_OUTPUT} bytes"),
    ],
)
def test_what_it_does_wrong_is_told_without_secrets(tmp_path: Path, code: str, words: str) -> None:
    async def test() -> None:
        with pytest.raises(UpstreamAuthentication, match=words) as raised:
            await program(tmp_path, code).fetch(NOW)
        assert "secret" not in str(raised.value)
        assert "credential_process of the AWS profile 'p'" in str(raised.value)

    run(test)


WAITING = (
    "import os, subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid} ')\n"
    "child.wait()"
)
"""It starts another, which keeps its standard output open."""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


async def gone(pids: list[int]) -> None:
    """The system ends a process in its own time."""
    assert len(pids) == 2
    async with asyncio.timeout(10):
        while any(is_running(pid) for pid in pids):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


def pids_of(note: Path) -> list[int]:
    return [int(pid) for pid in note.read_text().split()]


def test_one_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"

    async def test() -> None:
        source = program(tmp_path, WAITING, str(note), timeout_s=1.5)
        with pytest.raises(UpstreamUnavailable, match=r"gave none within 1\.5 s"):
            await source.fetch(NOW)

        await gone(pids_of(note))

    run(test)


def test_who_stops_waiting_ends_it(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    os.mkfifo(note)

    async def test() -> None:
        task = asyncio.create_task(program(tmp_path, WAITING, str(note)).fetch(NOW))
        pids = [int(pid) for pid in (await asyncio.to_thread(note.read_text)).split()]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone(pids)

    run(test)


def test_the_event_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    """The program waits for what is only written once the loop has gone on."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    async def test() -> None:
        code = f"import sys\nopen(sys.argv[1]).read()\n{printing(KEYS)}"
        task = asyncio.create_task(program(tmp_path, code, str(gate)).fetch(NOW))
        await asyncio.sleep(0)
        assert not task.done()
        await asyncio.to_thread(gate.write_text, "go")
        assert (await task).access_key_id == "ASIA"

    run(test)


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        source = ProcessKeys(f"{tmp_path}/absent --json", {}, profile="p")
        with pytest.raises(ConfigError, match=r"cannot be started \(FileNotFoundError\)"):
            await source.fetch(NOW)

    run(test)
    for command, words in [("", "names no program"), ("'a", "No closing quotation")]:
        with pytest.raises(ConfigError, match=words):
            ProcessKeys(command, {}, profile="p")


@pytest.mark.parametrize("profile", [None, "default", "named"])
def test_a_profile_leads_to_its_program(tmp_path: Path, profile: str | None) -> None:
    (tmp_path / "keys.py").write_text(printing(KEYS))
    command = f"credential_process = {sys.executable} {tmp_path}/keys.py"
    config = f"[default]\n{command}\n\n[profile named]\n{command}\n"

    async def test() -> None:
        async with serving({}) as server:
            environ = {"HOME": "/h", **({"AWS_PROFILE": profile} if profile else {})}
            source = find_aws(
                environ, pool=server.pool, direct=server.pool, read=files(h__aws_config=config)
            )
            assert (await source.fetch(NOW)).access_key_id == "ASIA"

    run(test)
