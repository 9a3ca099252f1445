"""The official `openai` SDK for Node through Portico to aimock."""

import json
import os
import subprocess

from tests.clients.servers import HERE, KEY, Server, node_modules, program


def test_the_node_sdk_chats_streams_and_meets_errors(gateway: Server, tmp_path) -> None:
    node = program("node")
    (tmp_path / "node_modules").symlink_to(node_modules())
    script = tmp_path / "client.mjs"
    script.write_text((HERE / "node_client.mjs").read_text())
    env = os.environ | {"OPENAI_BASE_URL": f"{gateway.url}/v1", "OPENAI_API_KEY": KEY}
    done = subprocess.run([node, script], env=env, capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    text = "Hello from a server that nobody here wrote: ünïcödé, 漢字 and 👋 included."
    assert json.loads(done.stdout) == {
        "whole": text,
        "usage": 1234,
        "streamed": text,
        "tools": ["Paris", "Rome"],
        "embedding": [0.25, -0.5, 0.75, -1],
        "unknown": {"class": "NotFoundError", "status": 404, "code": "model_not_found"},
        "denied": {"class": "AuthenticationError", "status": 401},
    }
