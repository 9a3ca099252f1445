"""Who is measured, and how each is started: nginx, Portico, and the peers of `--peers`.

Each does what a user would run: Portico with everything on, LiteLLM with a key and its Prometheus
callback, TensorZero without its database, Portkey balancing two targets, Envoy and nginx as plain
forwards.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cases import KEY, Case

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = HERE / "peers"


@dataclass(frozen=True)
class Ports:
    gateway: int
    stream: int
    upstream_a: int
    upstream_b: int


@dataclass(frozen=True)
class Contender:
    """`command` gets the folder it may write to and the ports; it returns argv and environment.

    `path` answers chat completions, if that is not OpenAI's own; `model` is what it calls the
    model; `headers` come on top of the key. `connections` is the most it is driven with: what a
    slow one has begun and not finished when a run ends is time without an answer.
    """

    name: str
    title: str
    command: Callable[[Path, Ports], tuple[list[str], dict[str, str]]]
    path: str | None = None
    model: str = "fast"
    headers: Callable[[Ports], dict[str, str]] = field(default=lambda ports: {})
    own_stream_port: bool = False
    address_file: bool = False
    connections: int = 1000
    forwards: bool = False
    """It passes on whatever comes, in whatever dialect."""
    translates: bool = False
    """It has a model for every dialect of a provider, by the dialect's name."""

    def can(self, case: Case) -> bool:
        return self.forwards or self.translates or not case.is_translated

    def model_for(self, case: Case) -> str:
        is_ordinary = case.client == case.provider == "openai_chat"
        return case.provider if self.translates and not is_ordinary else self.model

    def target(self, case: Case) -> str:
        return self.path or case.asker.target(self.model_for(case), case.stream)

    def port(self, case: Case, ports: Ports) -> int:
        return ports.stream if case.stream and self.own_stream_port else ports.gateway

    def all_headers(self, ports: Ports) -> dict[str, str]:
        standard = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        return standard | self.headers(ports)


def _filled(template: Path, folder: Path, ports: Ports) -> str:
    """Write the template with its @NAMES@ replaced into the folder; return where."""
    text = template.read_text()
    names = {
        "PORT": ports.gateway,
        "STREAM_PORT": ports.stream,
        "UPSTREAM_A": ports.upstream_a,
        "UPSTREAM_B": ports.upstream_b,
        "FOLDER": folder,
    }
    for name, value in names.items():
        text = text.replace(f"@{name}@", str(value))
    filled = folder / template.name
    filled.write_text(text)
    return str(filled)


def _nginx(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    log = f"{folder}/nginx.log"
    return [
        nginx,
        "-p",
        str(folder),
        "-e",
        log,
        "-c",
        _filled(PEERS / "nginx.conf", folder, ports),
    ], {}


def portico_at(root: Path, name: str = "portico", title: str = "Portico") -> "Contender":
    """The gateway whose code is in `root`."""

    def command(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
        config = _filled(HERE / "portico.yaml", folder, ports)
        argv = [sys.executable, "-P", "-m", "portico", "serve", "--config", config]
        env = {
            "PYTHONPATH": str(root),
            "AWS_ACCESS_KEY_ID": "AKIABENCH0123456789A",
            "AWS_SECRET_ACCESS_KEY": "bench-0123456789abcdef0123456789abcdef01",
        }
        return [*argv, "--host", "127.0.0.1", "--port", str(ports.gateway)], env

    return Contender(name, title, command, translates=True)


def _peer_program(name: str) -> str:
    return str(ROOT / ".venv-peers" / "bin" / name)


def _litellm(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
    config = _filled(PEERS / "litellm.yaml", folder, ports)
    argv = [
        _peer_program("litellm"),
        "--config",
        config,
        "--host",
        "127.0.0.1",
        "--port",
        str(ports.gateway),
    ]
    return argv, {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


def _tensorzero(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
    config = _filled(PEERS / "tensorzero.toml", folder, ports)
    argv = [
        _peer_program("python"),
        str(PEERS / "tensorzero_gateway.py"),
        config,
        str(folder / "address"),
    ]
    return argv, {
        "UPSTREAM_KEY": "sk-upstream",
        "TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1",
    }


def _portkey(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
    server = ROOT / ".cache/portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    return ["node", str(server), f"--port={ports.gateway}", "--headless"], {
        "NODE_ENV": "production"
    }


def _portkey_headers(ports: Ports) -> dict[str, str]:
    targets = [
        {
            "provider": "openai",
            "api_key": "sk-upstream",
            "custom_host": f"http://127.0.0.1:{port}/v1",
        }
        for port in (ports.upstream_a, ports.upstream_b)
    ]
    config = {"strategy": {"mode": "loadbalance"}, "targets": targets}
    return {"x-portkey-config": json.dumps(config, separators=(",", ":"))}


def _envoy(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
    config = _filled(PEERS / "envoy.yaml", folder, ports)
    argv = [_peer_program("envoy"), "-c", config, "--concurrency", "1", "--log-level", "error"]
    return [*argv, "--use-dynamic-base-id"], {}


NGINX = Contender("nginx", "nginx, plain proxy", _nginx, own_stream_port=True, forwards=True)
PORTICO = portico_at(ROOT)
PEER_CONTENDERS = (
    Contender("envoy", "Envoy 1.40, plain proxy", _envoy, forwards=True),
    Contender(
        "tensorzero",
        "TensorZero 2026.6 (Rust)",
        _tensorzero,
        path="/openai/v1/chat/completions",
        model="tensorzero::model_name::fast",
        address_file=True,
    ),
    Contender(
        "portkey",
        "Portkey 1.15 (Node)",
        _portkey,
        model="gpt-4o-mini",
        headers=_portkey_headers,
        connections=16,
    ),
    Contender("litellm", "LiteLLM 1.106 (Python)", _litellm, connections=4),
)


def environment(additions: dict[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    } | additions
