"""What a request says decides where it goes: session, tags, region, abilities, length; and several
keys of one provider are deployments of their own.
"""

import asyncio
import json
import math
import re
from pathlib import Path

import pytest
import uvloop

from tests.harness import (
    CHAT,
    KEY,
    SSE_HEAD,
    Received,
    Script,
    Wire,
    chat,
    chunk,
    delta,
    gateway,
    good,
    http,
    upstream,
)
from tests.harness import config as one_route
from tests.harness import whole as answer_with

OTHER_KEY = "sk-team-b-0123456789"


def refusing(status: int) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        wire.send(answer_with(json.dumps({"error": {"message": "no"}}).encode(), status))

    return script


async def filtering(wire: Wire, _: Received) -> None:
    body = {"error": {"message": "no", "code": "content_filter"}}
    wire.send(answer_with(json.dumps(body).encode(), 400))


def two_of(url: str, first: str, second: str, route: str = "") -> str:
    """One route `m` over two providers at the same address, each with more fields."""
    return (
        "providers:\n"
        f"  - {{name: a, provider_type: openai_compatible, base_url: {url}, {first}}}\n"
        f"  - {{name: b, provider_type: openai_compatible, base_url: {url}, {second}}}\n"
        f"models:\n  - {{name: m, targets: [a/x, b/x]{route}}}\n"
        f"keys:\n  - {{name: team-a, key: {KEY}}}\n  - {{name: team-b, key: {OTHER_KEY}}}\n"
    )


def conversation(text: str) -> dict[str, object]:
    return chat(messages=[{"role": "user", "content": text}])


SESSIONS = {
    "header": lambda n: http(conversation("different" * n), x_portico_session="s1"),
    "other header": lambda n: http(conversation("different" * n), x_session_id="s1"),
    "prompt_cache_key": lambda n: http(chat(prompt_cache_key="s1", seed=n)),
    "user": lambda n: http(chat(user="s1", seed=n)),
    "the opening": lambda n: http(
        chat(messages=[{"role": "user", "content": "hi"}] + [{"role": "user", "content": "."}] * n)
    ),
}


@pytest.mark.parametrize("kind", SESSIONS)
def test_a_session_stays_where_it_is(kind: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            route = ", affinity: true, strategy: round_robin"
            text = two_of(provider.url, "weight: 1", "weight: 1", route)
            async with gateway(tmp_path, text) as running:
                seen = set()
                for number in range(8):
                    answer = await running.ask(SESSIONS[kind](number))
                    seen.add(answer.headers["x-portico-deployment"])
                assert len(seen) == 1

    uvloop.run(play())


def test_sessions_are_spread_and_no_two_keys_share_one(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = two_of(provider.url, "weight: 1", "weight: 1", ", affinity: true")
            async with gateway(tmp_path, text) as running:
                homes = {}
                for key in (KEY, OTHER_KEY):
                    for number in range(16):
                        request = http(chat(), key=key, x_portico_session=f"s{number}")
                        answer = await running.ask(request)
                        homes[key, number] = answer.headers["x-portico-deployment"]
                assert set(homes.values()) == {"a/x", "b/x"}
                assert any(homes[KEY, n] != homes[OTHER_KEY, n] for n in range(16))

    uvloop.run(play())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"x_portico_tags": "eu"}, "b/x"),
        ({"x_portico_tags": "eu, gdpr"}, "b/x"),
        ({"x_portico_region": "eu-west"}, "b/x"),
        ({"x_portico_tags": "fast"}, "a/x"),
    ],
)
def test_tags_and_regions_that_are_asked_for(
    fields: dict[str, str], expected: str, tmp_path: Path
) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = two_of(provider.url, "tags: [fast]", "tags: [eu, gdpr], region: eu-west")
            async with gateway(tmp_path, text) as running:
                for _ in range(4):
                    answer = await running.ask(http(chat(), **fields))
                    assert answer.headers["x-portico-deployment"] == expected
                answer = await running.ask(http(chat(), x_portico_tags="eu,moon"))
                assert (answer.status, answer.error["code"]) == (400, "no_deployment_fits")
                assert "tags" in answer.error["message"]

    uvloop.run(play())


def test_a_higher_tier_waits_until_the_lower_cannot(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(refusing(500)) as bad, upstream(good) as well:
            text = (
                "providers:\n"
                f"  - {{name: a, provider_type: openai_compatible, base_url: {well.url}}}\n"
                f"  - {{name: b, provider_type: openai_compatible, base_url: {bad.url}}}\n"
                "models:\n  - {name: m, targets: [{target: a/x, order: 1}, b/x, "
                "{target: b/y, tags: [old]}], retries: {max_attempts: 3, base_delay: 0}}\n"
                f"keys:\n  - {{name: team-a, key: {KEY}}}\n"
            )
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert answer.headers["x-portico-deployment"] == "a/x"
                assert {one.json()["model"] for one in bad.requests} == {"x", "y"}

    uvloop.run(play())


PICTURE = chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}])


@pytest.mark.parametrize(
    ("second", "body", "seen"),
    [
        ("gpt-3.5-turbo", PICTURE, {"a/gpt-4o"}),
        ("gpt-3.5-turbo", chat(), {"a/gpt-4o", "b/gpt-3.5-turbo"}),
        ("gpt-3.5-turbo", conversation("long " * 20_000), {"a/gpt-4o"}),
        ("nobody-knows", PICTURE, {"a/gpt-4o", "b/nobody-knows"}),
        ("nobody-knows", conversation("long " * 20_000), {"a/gpt-4o", "b/nobody-knows"}),
    ],
    ids=["picture", "neither", "long", "picture, unknown model", "long, unknown model"],
)
def test_the_catalog_keeps_requests_from_models_that_cannot(
    second: str, body: dict[str, object], seen: set[str], tmp_path: Path
) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = (
                "providers:\n"
                f"  - {{name: a, provider_type: openai, base_url: {provider.url}, api_key: k1}}\n"
                f"  - {{name: b, provider_type: openai, base_url: {provider.url}, api_key: k2}}\n"
                f"models:\n  - {{name: m, targets: [a/gpt-4o, b/{second}], "
                "strategy: round_robin}\n"
                f"keys:\n  - {{name: team-a, key: {KEY}}}\n"
            )
            async with gateway(tmp_path, text) as running:
                answers = [await running.ask(http(body)) for _ in range(4)]
                assert {one.headers["x-portico-deployment"] for one in answers} == seen

    uvloop.run(play())


def test_a_route_whose_models_all_lack_an_ability_refuses_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = (
                "providers:\n"
                f"  - {{name: a, provider_type: openai, base_url: {provider.url}, api_key: k1}}\n"
                "models:\n  - {name: m, targets: [a/gpt-3.5-turbo, a/gpt-3.5-turbo-16k]}\n"
                f"keys:\n  - {{name: team-a, key: {KEY}}}\n"
            )
            async with gateway(tmp_path, text) as running:
                assert (await running.ask(http(PICTURE))).status == 200

    uvloop.run(play())


def keyed(url: str, more: str = "") -> str:
    return (
        f"providers:\n  - {{name: up, provider_type: openai_compatible, base_url: {url}, "
        f"models: [x], api_keys: [key-one, key-two, key-three]{more}}}\n"
        "models:\n  - {name: m, targets: [up/x], retries: {max_attempts: 3, base_delay: 0}}\n"
        f"keys:\n  - {{name: team-a, key: {KEY}}}\n"
        "router: {strategy: round_robin}\n"
    )


def key_of(request: Received) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


def test_several_keys_of_one_provider_take_turns(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, keyed(provider.url)) as running,
        ):
            for model in ("m", "up/x", "x"):
                answers = [await running.ask(http(chat(model))) for _ in range(6)]
                named = {one.headers["x-portico-deployment"] for one in answers}
                assert named == {"up/x", "up/x~2", "up/x~3"}
            used = [key_of(one) for one in provider.requests[:6]]
            assert sorted(used) == sorted(["key-one", "key-two", "key-three"] * 2)

    uvloop.run(play())


@pytest.mark.parametrize("status", [429, 401])
def test_a_key_that_is_refused_or_cooled_leaves_the_others_alone(
    status: int, tmp_path: Path
) -> None:
    async def one_bad_key(wire: Wire, request: Received) -> None:
        if key_of(request) == "key-two":
            wire.send(answer_with(b'{"error":{"message":"no"}}', status))
        else:
            wire.send(answer_with(CHAT))

    async def play() -> None:
        async with (
            upstream(one_bad_key) as provider,
            gateway(tmp_path, keyed(provider.url)) as running,
        ):
            answers = [await running.ask(http(chat())) for _ in range(9)]
            assert {one.status for one in answers} == {200}
            asked = [key_of(one) for one in provider.requests]
            assert asked.count("key-two") == 1
            assert {key_of(one) for one in provider.requests[-4:]} == {"key-one", "key-three"}

    uvloop.run(play())


def test_each_key_has_limits_of_its_own(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, keyed(provider.url, ", rpm: 2")) as running,
        ):
            statuses = [(await running.ask(http(chat()))).status for _ in range(8)]
            assert statuses == [200] * 6 + [429] * 2

    uvloop.run(play())


def test_a_provider_without_models_uses_all_its_keys_for_any(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = keyed(provider.url).replace("models: [x], ", "")
            async with gateway(tmp_path, text) as running:
                for _ in range(30):
                    await running.ask(http(chat("up/any/model")))
                assert {one.json()["model"] for one in provider.requests} == {"any/model"}
                assert len({key_of(one) for one in provider.requests}) == 3

    uvloop.run(play())


def test_no_further_try_begins_after_the_deadline(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(refusing(500)) as bad:
            text = one_route(bad.url, bad.url, attempts=9).replace(
                "base_delay: 0", "deadline: 0.000001"
            )
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert (answer.status, len(bad.requests)) == (500, 1)

    uvloop.run(play())


async def failing_late(wire: Wire, request: Received) -> None:
    await asyncio.sleep(0.2)
    await refusing(500)(wire, request)


async def silent(wire: Wire, _: Received) -> None:
    await wire.gone()


def test_the_total_is_that_of_all_tries(tmp_path: Path) -> None:
    """The second has what the first left of it, and is not blamed for so little."""

    async def play() -> None:
        async with upstream(failing_late) as first, upstream(silent) as second:
            text = one_route(first.url, second.url, attempts=9, route=", timeouts: {total: 0.5}")
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert (answer.status, answer.error["code"]) == (504, "timeout")
                assert re.search(
                    r" within 0\.\d{1,3} s \(timeouts\.total\)", answer.error["message"]
                )
                (record,) = running.journal()
                assert [one.outcome for one in record.attempts] == ["upstream_error", "timeout"]
                assert 499 <= record.duration_ms < 690
                assert running.app.gateway.snapshot.states["up1/real-1"].failed == 0

    uvloop.run(play())


def test_no_further_try_begins_after_the_total(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(failing_late) as bad, upstream(good) as well:
            text = one_route(bad.url, well.url, attempts=9, route=", timeouts: {total: 0.2}")
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert answer.status >= 500
                assert not well.requests

    uvloop.run(play())


def test_a_budget_of_nothing_allows_no_further_try(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(refusing(500)) as bad:
            text = one_route(bad.url, bad.url, attempts=9).replace(
                "base_delay: 0", "base_delay: 0, budget_ratio: 0, budget_floor: 0"
            )
            async with gateway(tmp_path, text) as running:
                await running.ask(http(chat()))
                assert len(bad.requests) == 1

    uvloop.run(play())


def routes(*urls: str, first: str = "", more: str = "") -> str:
    """Routes `r0`, `r1` … each with a provider of its own; `team-b` may use only `r0`."""
    providers = "".join(
        f"  - {{name: p{n}, provider_type: openai_compatible, base_url: {url}, models: [x]}}\n"
        for n, url in enumerate(urls)
    )
    named = "".join(
        f"  - {{name: r{n}, targets: [p{n}/x], retries: {{max_attempts: 4, base_delay: 0}}"
        f"{first if n == 0 else ''}}}\n"
        for n in range(len(urls))
    )
    return (
        f"providers:\n{providers}models:\n{named}"
        f"keys:\n  - {{name: team-a, key: {KEY}, team: red}}\n"
        f"  - {{name: team-b, key: {OTHER_KEY}, models: [r0]}}\n{more}"
    )


RULES = """\
rules:
  - {route: r1, models: [r0], tags: [batch]}
  - {route: r1, headers: {X-App: chat-*}}
  - {route: r1, needs: [vision]}
  - {route: r1, keys: [team-b]}
  - {route: r1, min_input_tokens: 5000}
"""


@pytest.mark.parametrize(
    ("request_bytes", "route"),
    [
        (http(chat("r0")), "p0/x"),
        (http(chat("r0"), x_portico_tags="batch"), "p1/x"),
        (http(chat("p0/x"), x_app="mail"), "p0/x"),
        (http(chat("p0/x"), x_app="chat-7"), "p1/x"),
        (http({**PICTURE, "model": "r0"}), "p1/x"),
        (http(chat("r0"), key=OTHER_KEY), "p1/x"),
        (http({**conversation("long " * 5000), "model": "r0"}), "p1/x"),
    ],
    ids=["none", "tag", "another header", "header", "needs", "key", "size"],
)
def test_rules_choose_a_route(request_bytes: bytes, route: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = routes(provider.url, provider.url, more=RULES)
            text = text.replace("name: p1,", "name: p1, tags: [batch],")
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(request_bytes)
                assert (answer.status, answer.headers["x-portico-deployment"]) == (200, route)

    uvloop.run(play())


def test_rules_give_no_key_a_model_it_may_not_ask_for(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = routes(provider.url, provider.url, more=RULES)
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat("r1"), key=OTHER_KEY))
                assert (answer.status, answer.error["code"]) == (403, "model_not_allowed")

    uvloop.run(play())


def test_the_clients_own_fallbacks_come_first(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(refusing(500)) as bad, upstream(good) as well:
            text = routes(
                bad.url, bad.url, well.url, well.url, first=", fallbacks: {general: [r3]}"
            )
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat("r0"), x_portico_fallbacks="r1, r2"))
                assert answer.headers["x-portico-deployment"] == "p2/x"
                assert answer.headers["x-portico-attempts"] == "3"
                assert len(bad.requests) == 2
                answer = await running.ask(http(chat("r0"), x_portico_fallbacks="r0,r1"))
                assert answer.headers["x-portico-deployment"] == "p3/x"

    uvloop.run(play())


@pytest.mark.parametrize(
    ("own", "wished"),
    [("", "alias"), ("", "alias, r0, other"), (", fallbacks: {general: [alias, other]}", "")],
)
def test_no_route_is_visited_twice_by_another_name(own: str, wished: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(filtering) as strict:
            text = routes(strict.url, first=own, more="model_aliases: {alias: r0, other: alias}\n")
            async with gateway(tmp_path, text) as running:
                fields = {"x_portico_fallbacks": wished} if wished else {}
                answer = await running.ask(http(chat("r0"), **fields))
                assert (answer.status, answer.error["code"]) == (400, "content_filter")
                assert len(strict.requests) == 1

    uvloop.run(play())


@pytest.mark.parametrize(
    ("names", "key", "status", "code"),
    [
        ("r1", OTHER_KEY, 403, "model_not_allowed"),
        ("nothing", KEY, 404, "model_not_found"),
        ("r1,r1,r1,r1,r1,r1", KEY, 400, "invalid_request"),
    ],
)
def test_fallbacks_that_a_client_may_not_name(
    names: str, key: str, status: int, code: str, tmp_path: Path
) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            async with gateway(tmp_path, routes(provider.url, provider.url)) as running:
                answer = await running.ask(http(chat("r0"), key=key, x_portico_fallbacks=names))
                assert (answer.status, answer.error["code"]) == (status, code)
            assert not provider.requests

    uvloop.run(play())


PRICED = "pricing: {models: {a/x: {input: 1, output: 100}, b/x: {input: 1, output: 1}}}\n"


@pytest.mark.parametrize(
    ("cap", "route", "status", "seen"),
    [
        ("1", "", 200, "a/x"),
        ("0.001", "", 200, "b/x"),
        ("0.00000001", "", 400, None),
        (None, ", max_cost_usd: 0.001", 200, "b/x"),
        ("1", ", max_cost_usd: 0.001", 200, "b/x"),
        ("cheap", "", 400, None),
        ("-1", "", 400, None),
        ("nan", "", 400, None),
    ],
)
def test_what_a_call_may_cost(
    cap: str | None, route: str, status: int, seen: str | None, tmp_path: Path
) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = two_of(
                provider.url, "weight: 1", "weight: 1", f", strategy: priority_based{route}"
            )
            async with gateway(tmp_path, text + PRICED) as running:
                fields = {} if cap is None else {"x_portico_max_cost_usd": cap}
                answer = await running.ask(http(chat(), **fields))
                assert answer.status == status
                assert answer.headers.get("x-portico-deployment") == seen

    uvloop.run(play())


async def broken_after_ten_events(wire: Wire, _: Received) -> None:
    wire.send(SSE_HEAD + chunk(delta("he")) * 10)
    await wire.drain()
    wire.reset()


def test_what_a_failed_attempt_cost_is_taken_off_what_the_call_may(tmp_path: Path) -> None:
    prices = "pricing: {models: {real-0: {input: 1, output: 2}, real-1: {input: 1, output: 2}}}\n"

    async def play() -> None:
        async with upstream(broken_after_ten_events) as bad, upstream(good) as well:
            text = one_route(
                bad.url,
                well.url,
                attempts=3,
                route=", buffered: true, max_cost_usd: 0.00055",
                more=prices,
            )
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat(stream=True)))
                assert answer.status == 502
                (record,) = running.journal()
                assert [one.deployment for one in record.attempts] == ["up0/real-0"]
                assert record.cost_nanousd is not None
                assert not well.requests

    uvloop.run(play())


def test_what_has_no_price_is_left_out_where_there_is_a_limit(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = two_of(provider.url, "weight: 1", "weight: 1")
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat(), x_portico_max_cost_usd="5"))
                assert answer.error["code"] == "no_deployment_fits"
                assert "cost" in answer.error["message"]

    uvloop.run(play())


def test_the_same_deployment_may_be_of_another_tier_in_another_route(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = two_of(provider.url, "weight: 1", "weight: 1").replace(
                "models:\n",
                "models:\n  - {name: n, targets: [a/x, {target: b/x, order: 1}]}\n"
                "  - {name: o, targets: [{target: a/x, order: 1}, b/x]}\n",
            )
            async with gateway(tmp_path, text) as running:
                for route, seen in (("n", "a/x"), ("o", "b/x")):
                    for _ in range(5):
                        answer = await running.ask(http(chat(route)))
                        assert answer.headers["x-portico-deployment"] == seen

    uvloop.run(play())


def test_a_provider_may_be_asked_how_much_it_takes(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(refusing(429)) as busy:
            text = two_of(busy.url, "adaptive_concurrency: aimd", "weight: 1")
            async with gateway(tmp_path, text) as running:
                await running.ask(http(chat()))
                states = running.app.gateway.snapshot.states
                assert (states["a/x"].max_in_flight, states["b/x"].max_in_flight) == (1, math.inf)

    uvloop.run(play())
