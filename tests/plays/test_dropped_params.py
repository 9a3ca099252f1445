"""What clients are told was left out, when what they sent was meant to do harm."""

from pathlib import Path

import uvloop

from tests.harness import CANARY, KEY, Received, Wire, chat, gateway, http, upstream, whole

ANSWER = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"real","stop_reason":"end_turn",'
    b'"content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":7,"output_tokens":3}}'
)


def names_of(folder: Path, fields: dict[str, int]) -> tuple[str, dict[str, str]]:
    """The header that names dropped fields, and all headers."""
    found: list[dict[str, str]] = []

    async def script(wire: Wire, request: Received) -> None:
        wire.send(whole(ANSWER))

    async def play() -> None:
        async with upstream(script) as provider:
            config = (
                f"providers:\n  - {{name: p, provider_type: anthropic, base_url: '{provider.url}', "
                f"api_key: {CANARY}, models: [real]}}\n"
                f"models:\n  - {{name: m, targets: [p/real]}}\nkeys:\n  - {{name: k, key: {KEY}}}\n"
            )
            async with gateway(folder, config) as running:
                answer = await running.ask(http(chat(**fields)))
                assert answer.status == 200
                found.append(answer.headers)

    uvloop.run(play())
    return found[0]["x-portico-dropped-params"], found[0]


def test_a_name_cannot_end_the_header(tmp_path: Path) -> None:
    named, headers = names_of(tmp_path, {"a\r\nset-cookie: stolen": 1, "ü": 1})
    assert named == r"a\r\nset-cookie: stolen, \xfc"
    assert "set-cookie" not in headers


def test_the_list_ends_before_the_head_is_too_long(tmp_path: Path) -> None:
    named, _ = names_of(tmp_path, {f"k{number}": 1 for number in range(1000)})
    assert named.startswith("k0, k1, k2, ")
    assert named.endswith(", k63, and 936 more")
    long, _ = names_of(tmp_path, {f"{'k' * 5000}{number}": 1 for number in range(3)})
    assert len(long) == 4096
