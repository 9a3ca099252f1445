"""The same models, in the shape of whoever asks."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import KEY, Running, gateway, http

NARROW = "sk-narrow-0123456789"
CONFIG = f"""
providers:
  - {{name: gpt, provider_type: openai, api_key: sk-up-0123456789, models: [gpt-4o-mini]}}
  - {{name: vectors, provider_type: openai, api_key: sk-up-0123456789,
      models: [text-embedding-3-small]}}
  - {{name: home, provider_type: ollama, base_url: "http://127.0.0.1:1", models: ["mine:8b"]}}
keys:
  - {{name: all, key: {KEY}}}
  - {{name: narrow, key: {NARROW}, models: [gpt-4o-mini]}}
"""


async def ask(running: Running, path: str, key: str = KEY, **fields: str) -> Any:
    return (await running.ask(http(path=path, method="GET", key=key, **fields))).json()


async def show(running: Running, name: str, key: str = KEY) -> tuple[int, Any]:
    answer = await running.ask(http(json.dumps({"model": name}), path="/api/show", key=key))
    return answer.status, answer.json()


def test_ollamas_clients_find_models_with_a_tag(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, CONFIG) as running:
            listed = (await ask(running, "/api/tags"))["models"]
            assert [one["model"] for one in listed] == [
                "echo:latest",
                "gpt-4o-mini:latest",
                "mine:8b",
                "text-embedding-3-small:latest",
            ]
            assert [one["name"] for one in listed] == [one["model"] for one in listed]
            assert len({one["digest"] for one in listed}) == 4
            assert set(listed[0]) == {
                "name",
                "model",
                "modified_at",
                "size",
                "digest",
                "details",
            }
            narrow = (await ask(running, "/api/tags", NARROW))["models"]
            assert [one["model"] for one in narrow] == ["gpt-4o-mini:latest"]
            assert await ask(running, "/api/ps") == {"models": []}

    uvloop.run(play())


def test_a_model_is_shown_with_what_the_catalog_knows(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, CONFIG) as running:
            for name in ("gpt-4o-mini", "gpt-4o-mini:latest"):
                status, shown = await show(running, name)
                assert status == 200
                assert shown["capabilities"] == ["completion", "vision", "tools"]
                assert shown["model_info"] == {
                    "general.architecture": "openai",
                    "openai.context_length": 128_000,
                }
            _, vectors = await show(running, "text-embedding-3-small")
            assert vectors["capabilities"] == ["embedding"]
            _, unknown = await show(running, "mine:8b")
            assert unknown["capabilities"] == ["completion", "tools"]
            assert unknown["model_info"] == {"general.architecture": "ollama"}
            status, error = await show(running, "mine:8b", NARROW)
            assert (status, list(error)) == (404, ["error"])

    uvloop.run(play())


def test_the_version_is_that_of_the_interface(tmp_path: Path) -> None:
    """Open WebUI asks without a key and takes it apart into numbers."""

    async def play() -> None:
        async with gateway(tmp_path, CONFIG) as running:
            answer = await running.ask(http(path="/api/version", method="GET", key=None))
            assert len([int(part) for part in answer.json()["version"].split(".")]) == 3

    uvloop.run(play())


def test_a_name_from_ollamas_list_is_good_everywhere(tmp_path: Path) -> None:
    """Clients that found it there may go on with OpenAI's endpoints of the same address."""

    async def play() -> None:
        async with gateway(tmp_path, CONFIG) as running:
            said = {"messages": [{"role": "user", "content": "hi"}]}
            for path in ("/v1/chat/completions", "/api/chat"):
                answer = await running.ask(http({"model": "echo:latest", **said}, path=path))
                assert answer.status == 200
            answer = await running.ask(
                http({"model": "mine:8b:latest", **said}, path="/api/chat", key=NARROW)
            )
            assert answer.status == 403

    uvloop.run(play())


def test_the_root_says_that_it_runs(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, CONFIG) as running:
            answer = await running.ask(http(path="/", method="GET", key=None))
            assert (answer.status, answer.body[:8]) == (200, b"Portico ")

    uvloop.run(play())


def test_coheres_clients_get_coheres_list(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, CONFIG) as running:
            cohere = {"models": [{"name": "gpt-4o-mini"}]}
            for path, fields in (
                ("/v1/models", {"user_agent": "cohere/7.3.1"}),
                ("/v1/models", {"x_fern_sdk_name": "cohere"}),
                ("/v1/models?endpoint=chat", {}),
            ):
                assert await ask(running, path, NARROW, **fields) == cohere
            assert (await ask(running, "/v1/models", NARROW))["object"] == "list"

    uvloop.run(play())


ANTHROPIC = {"anthropic_version": "2023-06-01"}
OPENAI_ERROR = {"message", "type", "param", "code"}
GEMINI_ERROR = {"code", "message", "status", "details"}
SHAPES: dict[str, tuple[str, dict[str, str], str, set[str]]] = {
    "openai": ("/v1/models", {}, "id", OPENAI_ERROR),
    "anthropic": ("/v1/models", ANTHROPIC, "display_name", {"type", "message"}),
    "gemini": ("/v1beta/models", {}, "displayName", GEMINI_ERROR),
    "cohere": ("/v1/models", {"x_fern_sdk_name": "cohere"}, "name", OPENAI_ERROR),
}


@pytest.mark.parametrize(("path", "fields", "name", "error"), SHAPES.values(), ids=SHAPES.keys())
def test_one_model_has_the_shape_that_it_has_in_the_list(
    path: str, fields: dict[str, str], name: str, error: set[str], tmp_path: Path
) -> None:
    async def play() -> None:
        async with gateway(tmp_path, f"keys:\n  - {{name: k, key: {KEY}}}\n") as running:
            listed = await running.ask(http(path=path, method="GET", **fields))
            (items,) = (value for value in listed.json().values() if isinstance(value, list))
            one = await running.ask(http(path=f"{path}/echo", method="GET", **fields))
            assert one.json() in items
            assert one.json()[name] == "echo"
            none = await running.ask(http(path=f"{path}/nobody", method="GET", **fields))
            assert none.status == 404
            assert set(none.json()["error"]) == error

    uvloop.run(play())


def test_what_is_not_there_is_said_in_the_words_of_whoever_asks(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, f"keys:\n  - {{name: k, key: {KEY}}}\n") as running:
            for path, fields, error in (
                ("/v1/messages/batches", {}, {"type", "message"}),
                ("/v1/files", ANTHROPIC, {"type", "message"}),
                ("/v1/files", {"x_goog_api_key": KEY}, GEMINI_ERROR),
                ("/v1/files", {}, OPENAI_ERROR),
            ):
                answer = await running.ask(http("{}", path=path, **fields))
                assert (answer.status, set(answer.json()["error"])) == (404, error)

    uvloop.run(play())
