"""`transformers serve`, a real model server, behind Portico: a tiny random Llama made on the spot.

Opt-in, for it installs about 3 GB: PORTICO_TEST_TRANSFORMERS=1 scripts/test.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.servers import HERE, KEY, ROOT, Server, free_port, portico, running

openai = pytest.importorskip("openai", reason="needs the openai SDK; scripts/test installs it")

pytestmark = pytest.mark.skipif(
    os.environ.get("PORTICO_TEST_TRANSFORMERS") != "1",
    reason="opt-in, it installs 3 GB: set PORTICO_TEST_TRANSFORMERS=1",
)

_CONFIG = """
providers:
  - {{name: local, provider_type: openai_compatible, base_url: "{url}/v1", models: ["{model}"]}}
models:
  - {{name: tiny, targets: ["local/{model}"]}}
keys:
  - {{name: all, key: {key}}}
"""
ASK = [{"role": "user", "content": "The gateway listens"}]


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    programs = ROOT / ".venv-transformers" / "bin"
    folder = tmp_path_factory.mktemp("transformers")
    maker = [programs / "python", HERE / "make_tiny_model.py", folder / "tiny"]
    subprocess.run(maker, check=True, capture_output=True, timeout=120)
    port = free_port()
    argv = [str(programs / "transformers"), "serve", str(folder / "tiny"), "--device", "cpu"]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    log: Path = folder / "serve.log"
    with running(argv, log, port=port, ready="/health", env=env, patience_s=120) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(model_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = _CONFIG.format(url=model_server.url, model=_path(model_server), key=KEY)
    with portico(tmp_path_factory.mktemp("portico"), config) as running_gateway:
        yield running_gateway


@pytest.fixture(scope="module")
def client(gateway: Server) -> Iterator["openai.OpenAI"]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def direct(model_server: Server) -> Iterator["openai.OpenAI"]:
    """The same client without a gateway between."""
    with openai.OpenAI(base_url=f"{model_server.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def _path(model_server: Server) -> str:
    return str(model_server.log.parent / "tiny")


def test_a_whole_answer_is_the_servers(
    client: "openai.OpenAI", direct: "openai.OpenAI", model_server: Server
) -> None:
    request = {"messages": ASK, "max_tokens": 12}
    answer = client.chat.completions.create(model="tiny", **request)
    expected = direct.chat.completions.create(model=_path(model_server), **request)

    assert answer.choices == expected.choices
    assert answer.usage == expected.usage
    assert 1 <= answer.usage.completion_tokens <= 12


def test_a_streamed_answer_is_the_servers(
    client: "openai.OpenAI", direct: "openai.OpenAI", model_server: Server
) -> None:
    request = {"messages": ASK, "max_tokens": 12, "stream": True}
    request["stream_options"] = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="tiny", **request))
    expected = list(direct.chat.completions.create(model=_path(model_server), **request))

    assert [chunk.choices for chunk in chunks] == [chunk.choices for chunk in expected]
    assert [chunk.usage for chunk in chunks] == [chunk.usage for chunk in expected]
    assert len(chunks) > 3


def test_many_at_once(client: "openai.OpenAI") -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask(_: int) -> str | None:
        answer = client.chat.completions.create(model="tiny", messages=ASK, max_tokens=4)
        return answer.choices[0].message.content

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
