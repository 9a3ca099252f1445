"""A real Prometheus scrapes a live gateway, and promtool finds nothing to say about its page."""

import json
import os
import subprocess
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from tests.clients.servers import Server, free_port, portico, post, program, running

_CONFIG = """
keys:
  - {name: scraped, key: sk-client-tests-0123456789}
monitoring:
  metrics: {enabled: true}
"""
CALLS = 5


@pytest.fixture(scope="module")
def busy_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway that has answered CALLS times, and refused once."""
    with portico(tmp_path_factory.mktemp("portico"), _CONFIG) as server:
        chat = {"model": "echo", "messages": [{"role": "user", "content": "count me"}]}
        for number in range(CALLS):
            status, _, _ = post(server, "/v1/chat/completions", {**chat, "stream": number % 2 == 1})
            assert status == 200
        assert post(server, "/v1/chat/completions", chat, key="sk-wrong-0123456789")[0] == 401
        yield server


@pytest.fixture(scope="module")
def prometheus(busy_gateway: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    target = f"127.0.0.1:{busy_gateway.port}"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs:\n"
        f"  - {{job_name: portico, static_configs: [{{targets: ['{target}']}}]}}\n"
    )
    port = free_port()
    argv = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
    argv.append(f"--web.listen-address=127.0.0.1:{port}")
    log = folder / "prometheus.log"
    with running(argv, log, port=port, ready="/-/ready", env=os.environ) as server:
        yield server


def query(prometheus: Server, expression: str) -> list[dict[str, object]]:
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    return list(json.loads(prometheus.get(path))["data"]["result"])


def query_until_some(prometheus: Server, expression: str) -> list[dict[str, object]]:
    """The first scrape takes its time; asking again is the only way to know that it was."""
    for _ in range(100):
        if found := query(prometheus, expression):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no samples for {expression}:\n{prometheus.log.read_text()}")


def test_promtool_accepts_the_page(busy_gateway: Server) -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=busy_gateway.get("/metrics"),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_prometheus_counts_what_was_asked(prometheus: Server) -> None:
    found = query_until_some(prometheus, "sum(litellm_requests_total)")
    assert found[0]["value"][1] == str(CALLS)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("up", "1"),
        ("sum(litellm_requests_success_total)", str(CALLS)),
        ("sum(litellm_active_requests)", "0"),
        ("sum(litellm_request_latency_seconds_count)", str(CALLS)),
        ('sum(litellm_requests_total{model="echo"})', str(CALLS)),
        ('sum(gateway_http_requests_total{status="401"})', "1"),
    ],
)
def test_prometheus_can_be_asked(prometheus: Server, expression: str, value: str) -> None:
    found = query_until_some(prometheus, expression)
    assert found[0]["value"][1] == value


def test_every_family_has_its_help_and_type(prometheus: Server) -> None:
    query_until_some(prometheus, "up")
    known = json.loads(prometheus.get("/api/v1/metadata"))["data"]

    assert [
        name for name, (entry, *_) in known.items() if not (entry["help"] and entry["type"])
    ] == []
    families = {name.removesuffix("_total") for name in known}
    assert {"litellm_requests", "litellm_cost_usd", "gateway_http_requests"} <= families
