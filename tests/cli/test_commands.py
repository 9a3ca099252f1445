"""The command line: what it prints, and what it exits with."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import portico as package
from tests.cli.process import environment, portico, serving


def test_help_lists_every_command_with_examples(tmp_path: Path) -> None:
    done = portico("--help", home=tmp_path)
    assert done.returncode == 0
    for word in ("Run", "Configuration", "Money", "Examples", "serve", "check", "journal"):
        assert word in done.stdout
    assert "..." not in done.stdout.partition("\n")[2], "a command's line is cut off"
    assert portico("-h", home=tmp_path).stdout == done.stdout


@pytest.mark.parametrize(
    "command",
    ["serve", "check", "schema", "providers", "models", "routes", "journal", "completion"],
)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    done = portico(command, "--help", home=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: portico {command}")


def test_version(tmp_path: Path) -> None:
    assert portico("--version", home=tmp_path).stdout == f"portico {package.__version__}\n"


def test_help_loads_neither_server_nor_catalog(tmp_path: Path) -> None:
    program = (
        "import sys; from portico.cli import run; run(['--help']); "
        "heavy = {'uvloop', 'httptools', 'starlette', 'prometheus_client', 'yaml', 'asyncio'}; "
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "argv",
    [
        ["serve", "--nope"],
        ["nope"],
        ["serve", "--port", "99999"],
        ["serve", "--log-level", "loud"],
        ["check"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(argv: list[str], tmp_path: Path) -> None:
    done = portico(*argv, home=tmp_path)
    assert done.returncode == 2
    assert "Usage: portico" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["check"], ["serve", "-c"]], ids=["check", "serve"])
def test_a_wrong_configuration_exits_78_and_says_where(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "gw.yaml"
    file.write_text("server:\n  prot: 80\nrouter:\n  strategy: fastest\n")
    done = portico(*command, str(file), home=tmp_path)
    assert done.returncode == 78
    assert f"{file}:2:3" in done.stderr
    assert "port" in done.stderr
    assert f"{file}:4:13" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    ["- 1", "server: [", "\t", "a: &a [*a]", "providers: [{name: x, provider_type: nope}]"],
)
def test_a_file_that_cannot_be_used_exits_78(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gw.yaml"
    file.write_text(text)
    done = portico("check", str(file), home=tmp_path)
    assert done.returncode == 78
    assert "Traceback" not in done.stderr


def test_a_missing_file_exits_78(tmp_path: Path) -> None:
    done = portico("serve", "-c", str(tmp_path / "no.yaml"), home=tmp_path)
    assert done.returncode == 78
    assert "No such file" in done.stderr


def test_a_private_key_that_is_not_there_is_named_with_its_provider(tmp_path: Path) -> None:
    file = tmp_path / "gw.yaml"
    file.write_text(
        "providers: [{name: sf, provider_type: snowflake, models: [m],"
        f" settings: {{account: a-b, user: U, private_key: {tmp_path}/none.p8}}}}]\n"
    )
    done = portico("serve", "-c", str(file), "--port", "0", home=tmp_path)
    assert (done.returncode, done.stderr) == (
        78,
        f"portico: providers: sf: private_key: {tmp_path}/none.p8 cannot be read: "
        "No such file or directory\n",
    )


def test_check_of_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "gw.yaml"
    file.write_text("keys: [{name: a, key: sk-team-a-0123456789}]\n")
    done = portico("check", "--strict", str(file), home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{file}: good: 0 providers, 0 routes, 1 key, 0 notices" in done.stdout


def test_a_taken_port_exits_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        done = portico("serve", "--port", str(port), home=tmp_path)
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder, code in (
        (tmp_path / "file", 2),
        (tmp_path / "file" / "under", 78),
        (Path("/proc/portico"), 78),
    ):
        done = portico("serve", "--port", "0", "--data-dir", str(folder), home=tmp_path)
        assert done.returncode == code
        assert str(folder) in done.stderr
        assert "Traceback" not in done.stderr


def test_two_gateways_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with serving(tmp_path, "--data-dir", str(tmp_path / "data")):
        done = portico("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), home=tmp_path)
    assert done.returncode == 78
    assert str(tmp_path / "data") in done.stderr
    assert "Traceback" not in done.stderr


def test_the_admin_key_is_shown_once_and_kept_0600(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(tmp_path, "--data-dir", str(data)) as first:
        key = (data / "admin.key").read_text().strip()
        assert key in first.banner
        assert (data / "admin.key").stat().st_mode & 0o777 == 0o600
        body = {"model": "echo", "messages": [{"role": "user", "content": "Hello, Portico"}]}
        status, answer = first.ask("POST", "/v1/chat/completions", body, key=key)
        assert status == 200
        assert answer["choices"][0]["message"]["content"] == "Hello, Portico"
    with serving(tmp_path, "--data-dir", str(data)) as second:
        assert key not in second.banner
        assert second.ask("GET", "/v1/models", key=key)[0] == 200


def test_providers_are_found_in_the_environment_and_named(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": "sk-secret-of-openai-0123456789"}
    with serving(tmp_path, env=env) as gateway:
        assert "Found    openai (OpenAI)" in gateway.banner
        assert "sk-secret" not in gateway.banner + gateway.log


def test_providers_and_models_as_tables_and_as_json(tmp_path: Path) -> None:
    env = {"GROQ_API_KEY": "gsk_0123456789abcdef"}
    table = portico("providers", "groq", home=tmp_path, env=env)
    assert "GROQ_API_KEY (set)" in table.stdout
    rows = portico("providers", "--json", home=tmp_path, env=env).stdout.splitlines()
    assert len(rows) > 100
    assert {row["name"]: row["has_key"] for row in map(json.loads, rows)}["groq"] is True
    models = portico("models", "--json", home=tmp_path, env=env)
    names = [json.loads(row)["model"] for row in models.stdout.splitlines()]
    assert "echo" in names
    assert portico("models", home=tmp_path).stdout.startswith("MODEL")
    assert "gsk_" not in table.stdout + models.stdout


def test_a_provider_that_there_is_not_is_said_so(tmp_path: Path) -> None:
    for form in ((), ("--json",)):
        done = portico("providers", *form, "zzz", home=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "no provider type has 'zzz' in its name" in done.stderr


def test_a_file_with_such_a_provider_is_told_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "gw.yaml"
    file.write_text("providers: [{name: x, provider_type: zzz, api_key: k}]\n")
    done = portico("check", str(file), home=tmp_path)
    assert done.returncode == 78
    assert (
        f"{file}:1:38: providers[0].provider_type: no provider type 'zzz'; `portico providers` "
        "prints them all, and any other that speaks OpenAI's protocol is 'openai_compatible' with "
        "a base_url\n" in done.stderr
    )


def test_schema_and_completion(tmp_path: Path) -> None:
    assert json.loads(portico("schema", home=tmp_path).stdout)["$schema"]
    for shell in ("zsh", "fish"):
        assert "portico" in portico("completion", shell, home=tmp_path).stdout


def test_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "portico", "providers"],
        env=environment(tmp_path),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
