"""Who is asking, and for what: from headers and a snapshot."""

import hashlib
from typing import Any

import pytest

from portico.engine.admission import authenticate, choose_route, credential, shown_name
from portico.engine.assembly import build_snapshot
from portico.engine.snapshot import Snapshot
from portico.errors import GatewayError
from portico.types.call import Envelope, InferenceEndpoint
from portico.types.secret import Secret
from tests.harness import read_config

KEY = "sk-team-a-0123456789"


def snapshot(text: str, **environ: str) -> Snapshot:
    return build_snapshot(
        read_config(text), environ=environ, admin_key=Secret("gw-admin"), before=None, now=1000.0
    )


CREDENTIALS: list[tuple[dict[bytes, bytes], bytes | None]] = [
    ({}, None),
    ({b"authorization": b"Bearer k"}, b"k"),
    ({b"authorization": b"bEaReR  k "}, b"k"),
    ({b"authorization": b"Bearer"}, b""),
    ({b"authorization": b"Bearer a b"}, b"a b"),
    ({b"authorization": b"Digest k"}, None),
    ({b"authorization": b"Basic dTprOng="}, b"k:x"),
    ({b"authorization": b"Basic ???"}, None),
    ({b"authorization": b"Basic dQ=="}, b""),
    ({b"x-api-key": b"k"}, b"k"),
    ({b"api-key": b"k"}, b"k"),
    ({b"x-api-key": b"a", b"api-key": b"b"}, b"a"),
    ({b"authorization": b"Bearer a", b"x-api-key": b"b"}, b"a"),
]


@pytest.mark.parametrize(("headers", "key"), CREDENTIALS)
def test_credential(headers: dict[bytes, bytes], key: bytes | None) -> None:
    assert credential(headers) == key


def test_keys_as_text_and_as_hash() -> None:
    digest = hashlib.sha256(b"sk-hashed-0123456789").hexdigest()
    made = snapshot(f"keys: [{{name: a, key: {KEY}}}, {{name: b, sha256: '{digest}'}}]\n")
    for key, name in ((KEY, "a"), ("sk-hashed-0123456789", "b"), ("gw-admin", "admin")):
        headers = {b"authorization": f"Bearer {key}".encode()}
        assert authenticate(made, headers, 0.0).name == name
    for wrong in (digest, KEY + "x", KEY[:-1], "\xff"):
        with pytest.raises(GatewayError) as caught:
            authenticate(made, {b"x-api-key": wrong.encode("latin-1")}, 0.0)
        assert caught.value.code == "invalid_api_key"
        assert wrong not in caught.value.message


def test_a_key_expires_at_its_second() -> None:
    made = snapshot(f"keys: [{{name: a, key: {KEY}, expires_at: 1970-01-01T00:01:40Z}}]\n")
    headers = {b"x-api-key": KEY.encode()}
    assert authenticate(made, headers, 99.9).name == "a"
    with pytest.raises(GatewayError) as caught:
        authenticate(made, headers, 100.0)
    assert caught.value.code == "expired_api_key"


HOUSE = (
    "providers:\n"
    "  - {name: up, provider_type: openai_compatible, models: [a, 'b-*'], base_url: 'http://u'}\n"
    "  - {name: any, provider_type: openai_compatible, base_url: 'http://v/v1'}\n"
    "models:\n"
    "  - {name: fast, targets: [up/a]}\n"
    "  - {name: 'claude-*', targets: ['any/*']}\n"
    "model_aliases: {quick: fast, odd: nowhere}\n"
    f"keys: [{{name: a, key: {KEY}}}]\n"
)


@pytest.mark.parametrize(
    ("asked", "deployments"),
    [
        ("a", ["up/a"]),
        ("up/a", ["up/a"]),
        ("fast", ["up/a"]),
        ("quick", ["up/a"]),
        ("b-1", ["up/b-1"]),
        ("up/b-1", ["up/b-1"]),
        ("claude-x", ["any/claude-x"]),
        ("any/whatever/it/is", ["any/whatever/it/is"]),
        ("up/c", None),
        ("any/", None),
        ("up/", None),
        ("c", None),
        ("A", None),
        ("any/" + "x" * 300, None),
        ("echo", ["echo/echo"]),
    ],
)
def test_names_lead_to_deployments(asked: str, deployments: list[str] | None) -> None:
    route = snapshot(HOUSE).resolve(asked)
    assert (None if route is None else [one.id for one in route.deployments]) == deployments


def test_invented_names_cost_no_memory() -> None:
    made = snapshot(HOUSE)
    for number in range(10_000):
        route = made.resolve(f"any/{number}")
        assert route is not None
        made.bind(route)
        made.target(route.deployments[0])
    assert len(made.states) < 5000
    assert len(made.targets) < 5000
    assert len(made._bound) < 5000


def test_a_routes_own_order_and_weights_hold_though_its_provider_lists_the_model() -> None:
    made = snapshot(
        "providers:\n"
        "  - {name: up, provider_type: openai_compatible, base_url: 'http://u', models: [a]}\n"
        "  - {name: vp, provider_type: openai_compatible, base_url: 'http://v', models: [a]}\n"
        "models: [{name: m, targets: [{target: vp/a, weight: 3}, up/a], "
        "strategy: priority_based}]\n"
        f"keys: [{{name: a, key: {KEY}}}]\n"
    )
    states = made.bind(made["m"]).state.states
    placed = [(one.deployment.id, one.deployment.priority, one.weight) for one in states]
    assert placed == [("vp/a", 0, 3.0), ("up/a", 1, 1.0)]


def endpoint(default: str | None) -> InferenceEndpoint:
    return InferenceEndpoint(
        name="e",
        path="/e",
        operation="moderation",
        dialect="openai_chat",
        summary="",
        default_model=default,
    )


@pytest.mark.parametrize(
    ("asked", "default", "outcome"),
    [
        ("fast", None, "fast"),
        (None, "quick", "fast"),
        ("", "quick", "fast"),
        (None, None, "missing_model"),
        (None, "absent", "model_not_found"),
        ("nope", None, "model_not_found"),
        ("a", None, "model_not_allowed"),
    ],
)
def test_choose_route(asked: str | None, default: str | None, outcome: str) -> None:
    narrow = HOUSE.replace("key: sk", "models: [fast, quick], key: sk")
    made = snapshot(narrow)
    principal = authenticate(made, {b"x-api-key": KEY.encode()}, 0.0)

    def choose() -> Any:
        return choose_route(made, principal, endpoint(default), Envelope(model=asked))

    if outcome == "fast":
        assert choose().name == "fast"
        return
    with pytest.raises(GatewayError) as caught:
        choose()
    assert (caught.value.code, caught.value.param) == (outcome, "model")


def test_a_name_is_shown_short_and_on_one_line() -> None:
    assert shown_name("a\nb") == "'a\\nb'"
    assert len(shown_name("x" * 500)) < 90
