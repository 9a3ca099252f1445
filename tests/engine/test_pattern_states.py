"""Deployments that clients ask for by a pattern: what is known of them, shared, kept, bounded."""

from portico.engine import snapshot as snapshot_module
from portico.engine.assembly import build_snapshot
from portico.engine.snapshot import Snapshot
from portico.routing import steering
from portico.routing.health import DeploymentState, started
from tests.harness import read_config

OPEN = "providers: [{name: up, provider_type: openai, api_key: sk-0123456789abcdef%s}]\n"


def snapshot(before: Snapshot | None = None, *, key: str = "", more: str = "") -> Snapshot:
    text = OPEN % f"{key}{more}"
    return build_snapshot(read_config(text), environ={}, admin_key=None, before=before, now=1000.0)


def asked(snapshot: Snapshot, name: str) -> DeploymentState:
    """The state of the one deployment that serves this name."""
    (state,) = snapshot.bind(snapshot[name]).state.states
    return state


def test_they_share_what_is_known_of_the_key() -> None:
    now = snapshot()
    one, two = asked(now, "up/ft:one"), asked(now, "up/ft:two")
    assert one is not two
    assert one.credential is two.credential
    assert {state.deployment.id for state in one.credential.members} >= {
        "up/ft:one",
        "up/ft:two",
    }


def test_a_reload_keeps_them() -> None:
    old = snapshot()
    one = asked(old, "up/ft:one")
    steering.drain(one)
    lease = started(one, 1.0)
    new = snapshot(old)
    assert new.states["up/ft:one"] is one
    assert asked(new, "up/ft:one") is one
    assert (one.draining, one.in_flight, lease.state) == (True, 1, one)
    assert one in one.credential.members
    assert asked(snapshot(new), "up/ft:one") is one


def test_a_reload_with_another_key_begins_anew() -> None:
    old = snapshot()
    one = asked(old, "up/ft:one")
    new = snapshot(old, key="9")
    assert new.states["up/ft:one"] is not one
    assert new.states["up/ft:one"].credential is not one.credential


def test_a_reload_drops_what_no_pattern_leads_to() -> None:
    old = snapshot()
    asked(old, "up/ft:one")
    new = snapshot(old, more=", models: [gpt-4o]")
    assert "up/ft:one" not in new.states


def test_a_new_model_of_a_known_key_knows_that_it_was_refused() -> None:
    old = snapshot(more=", models: [a]")
    state = old.states["up/a"]
    state.credential.refused_until = 50.0
    new = snapshot(old, more=", models: [b, a]")
    assert new.states["up/b"].credential is new.states["up/a"].credential is state.credential
    assert new.states["up/b"].guarded
    assert [one.deployment.id for one in state.credential.members] == ["up/b", "up/a"]


def test_clients_that_invent_names_cannot_undo_what_an_administrator_said() -> None:
    now = snapshot()
    drained, busy = asked(now, "up/drained"), asked(now, "up/busy")
    steering.drain(drained)
    started(busy, 1.0)
    for number in range(snapshot_module._MAX_RESOLVED + 10):
        now.bind(now[f"up/invented-{number}"])
    assert now.states["up/drained"] is drained
    assert now.states["up/busy"] is busy
    assert asked(now, "up/drained") is drained
    assert len(now.states) < 200
    assert len(drained.credential.members) < 200
