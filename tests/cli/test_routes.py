"""`portico routes`: a running gateway, seen from the terminal."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.process import PATIENCE_S, environment, portico, serving


def test_the_deployments_of_the_running_gateway_are_shown(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with serving(tmp_path, "--data-dir", data) as gateway:
        done = portico("routes", "--data-dir", data, home=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        head, row = done.stdout.splitlines()
        assert head.split()[:2] == ["DEPLOYMENT", "STATE"]
        assert row.split()[:2] == ["echo/echo", "healthy"]
        done = portico("routes", "--json", "--data-dir", data, home=tmp_path)
        assert json.loads(done.stdout)["id"] == "echo/echo"
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
    done = portico("routes", "--data-dir", data, home=tmp_path)
    assert done.returncode == 1
    assert "no gateway seems to run with the data folder" in done.stderr


def test_a_gateway_that_died_is_said_not_to_answer(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with serving(tmp_path, "--data-dir", data) as gateway:
        gateway.signal(signal.SIGKILL)
        gateway.wait()
        done = portico("routes", "--data-dir", data, home=tmp_path)
    assert done.returncode == 1
    assert f"http://127.0.0.1:{gateway.port} does not answer" in done.stderr


def test_watching_goes_on_while_the_gateway_is_away(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with serving(tmp_path, "--data-dir", data) as gateway:
        watching = subprocess.Popen(
            [sys.executable, "-m", "portico", "routes", "--watch", "--data-dir", data],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert watching.stdout is not None
        with watching.stdout as lines:
            assert "1 healthy" in lines.readline()
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            assert any("does not answer" in line and "trying again" in line for line in lines)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(PATIENCE_S) == 130


def test_watching_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with serving(tmp_path, "--data-dir", data):
        watching = subprocess.Popen(
            [sys.executable, "-m", "portico", "routes", "--watch", "--data-dir", data],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert watching.stdout is not None
        with watching.stdout as lines:
            seen = [line for _, line in zip(range(8), lines, strict=False) if line.strip()]
            watching.send_signal(signal.SIGINT)
            assert watching.wait(PATIENCE_S) == 130
    assert sum("echo/echo" in line for line in seen) == 2
