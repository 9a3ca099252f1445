import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico.errors import UpstreamFailed
from portico.routing import affinity
from portico.routing.affinity import session_of
from portico.routing.health import DeploymentState, finished, first_event, started
from portico.routing.strategies import ANY, EXPLORATION, STRATEGIES, RoutingRequest
from portico.types.deployment import Deployment, Limits

MakeState = Callable[..., DeploymentState]


@dataclass
class Known:
    """What is known of one candidate before the choice."""

    weight: float = 1.0
    priority: int = 0
    in_flight: int = 0
    tokens: int = 0
    requests: int = 0
    ttft_s: float | None = None
    per_token_s: float | None = None
    failures: int = 0
    limits: Limits = Limits()  # noqa: RUF009


def made(make_state: MakeState, name: str, known: Known) -> DeploymentState:
    state = make_state(name, weight=known.weight, priority=known.priority, limits=known.limits)
    state.in_flight = known.in_flight
    for _ in range(known.requests):
        state.meter.reserve(100.0, 0)
    state.meter.reserve(100.0, known.tokens)
    state.expectation.ttft_s = known.ttft_s
    state.expectation.per_token_s = known.per_token_s
    for _ in range(known.failures):
        state.expectation.failed(100.0)
    return state


def shares(
    strategy: str,
    states: list[DeploymentState],
    request: RoutingRequest = ANY,
    rounds: int = 4000,
) -> list[float]:
    choose = STRATEGIES[strategy].choose
    rng = random.Random(3)
    counts = Counter(choose(states, request, 100.0, rng, turn) for turn in range(rounds))
    return [round(counts[index] / rounds, 2) for index in range(len(states))]


TPM = Limits(tpm=1000)
CASES = [
    ("simple_shuffle", [Known(weight=3.0), Known()], [0.75, 0.25]),
    ("weighted", [Known(weight=3.0), Known()], [0.75, 0.25]),
    ("round_robin", [Known(in_flight=9), Known(), Known(), Known()], [0.25, 0.25, 0.25, 0.25]),
    ("least_busy", [Known(in_flight=2), Known(in_flight=1), Known(in_flight=3)], [0, 1, 0]),
    ("least_busy", [Known(in_flight=2, weight=4.0), Known(in_flight=1)], [1, 0]),
    ("least_busy", [Known(), Known(in_flight=1), Known()], [0.5, 0, 0.5]),
    ("usage_based", [Known(tokens=500, limits=TPM), Known(tokens=100, limits=TPM)], [0, 1]),
    ("usage_based", [Known(tokens=9, limits=Limits(tpm=10)), Known(tokens=99, limits=TPM)], [0, 1]),
    ("usage_based", [Known(tokens=100), Known(tokens=50)], [0, 1]),
    ("usage_based", [Known(limits=Limits(tpm=0)), Known(tokens=999, limits=TPM)], [0, 1]),
    ("latency_based", [Known(ttft_s=2.1), Known(ttft_s=1.0)], [0, 1]),
    ("latency_based", [Known(ttft_s=2.0), Known(ttft_s=1.0)], [0.5, 0.5]),
    ("latency_based", [Known(ttft_s=9.0), Known(ttft_s=1.0), Known()], [0, 1, 0]),
    ("latency_based", [Known(ttft_s=2.0), Known()], [0.5, 0.5]),
    ("latency_based", [Known(), Known()], [0.5, 0.5]),
    ("priority_based", [Known(), Known(), Known()], [1, 0, 0]),
    (
        "rate_limit_aware",
        [
            Known(tokens=100, requests=79, limits=Limits(tpm=1000, rpm=100)),
            Known(tokens=300, limits=Limits(tpm=1000, rpm=100)),
        ],
        [0, 1],
    ),
    ("rate_limit_aware", [Known(tokens=1, limits=TPM), Known(tokens=10**6)], [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("strategy", "known", "expected"), CASES)
def test_who_is_chosen(
    make_state: MakeState, strategy: str, known: list[Known], expected: list[float]
) -> None:
    states = [made(make_state, f"d{number}", one) for number, one in enumerate(known)]
    assert shares(strategy, states) == pytest.approx(expected, abs=0.03)


ADAPTIVE = [
    ([Known(ttft_s=1.0), Known(ttft_s=2.0)], 0),
    ([Known(ttft_s=1.0, in_flight=3), Known(ttft_s=2.0)], 1),
    ([Known(ttft_s=1.0, in_flight=3, weight=4.0), Known(ttft_s=2.0)], 0),
    ([Known(ttft_s=1.0, per_token_s=0.05), Known(ttft_s=1.5, per_token_s=0.01)], 1),
    ([Known(ttft_s=0.1, failures=5), Known(ttft_s=1.0)], 1),
    ([Known(ttft_s=1.0, in_flight=1), Known()], 1),
    ([Known(ttft_s=1.0), Known(in_flight=1)], 0),
]


@pytest.mark.parametrize(("known", "best"), ADAPTIVE)
def test_adaptive_takes_the_lesser_pain_but_explores(
    make_state: MakeState, known: list[Known], best: int
) -> None:
    states = [made(make_state, f"d{number}", one) for number, one in enumerate(known)]
    for state in states:
        state.last_used_at = 1.0
    states[1 - best].last_used_at = 0.5
    assert shares("adaptive", states, rounds=15_000)[1 - best] == 0.01


def test_adaptive_takes_the_worst_of_four_only_to_explore(make_state: MakeState) -> None:
    states = [made(make_state, f"d{n}", Known(ttft_s=1.0 if n else 9.0)) for n in range(4)]
    assert shares("adaptive", states, rounds=15_000)[0] == 0.01


@pytest.mark.parametrize("strategy", ["adaptive", "latency_based"])
def test_who_was_left_alone_the_longest_is_looked_at_again(
    make_state: MakeState, rng: random.Random, strategy: str
) -> None:
    states = [made(make_state, f"d{n}", Known(ttft_s=9.0)) for n in range(4)]
    for number, state in enumerate(states):
        state.last_used_at = (3.0, 2.0, 1.0, 4.0)[number]
    choose = STRATEGIES[strategy].choose
    assert choose(states, ANY, 5.0, rng, EXPLORATION - 1) == 2
    states[1].last_used_at = None
    assert choose(states, ANY, 5.0, rng, 2 * EXPLORATION - 1) == 1


def test_adaptive_tries_a_half_open_one_at_once(make_state: MakeState, rng: random.Random) -> None:
    broken = made(make_state, "broken", Known(ttft_s=9.0))
    for _ in range(5):
        finished(started(broken, 0.0), 0.0, UpstreamFailed("x"), rng=rng)
    states = [broken, made(make_state, "well", Known(ttft_s=0.1))]
    assert shares("adaptive", states)[0] >= 0.98


def test_cost_based_reckons_with_this_very_call(make_state: MakeState) -> None:
    """`a` is dear to read and cheap to write; `b` the other way round; `c` has no price."""
    prices: dict[str, tuple[int, int] | None] = {"a/m": (10, 1), "b/m": (1, 10), "c/m": None}

    def request(input_tokens: int, output_tokens: int) -> RoutingRequest:
        def cost(deployment: Deployment) -> int | None:
            price = prices[deployment.id]
            return price and price[0] * input_tokens + price[1] * output_tokens

        return RoutingRequest(expected_cost=cost)

    states = [make_state(name) for name in "cab"]
    assert shares("cost_based", states, request(1000, 10)) == [0, 0, 1]
    assert shares("cost_based", states, request(10, 1000)) == [0, 1, 0]
    assert shares("cost_based", [make_state("c"), make_state("c")], request(1, 1)) == pytest.approx(
        [0.5, 0.5], abs=0.03
    )


def test_cost_based_without_prices_is_least_busy(make_state: MakeState) -> None:
    states = [made(make_state, "a", Known(in_flight=1)), made(make_state, "b", Known())]
    assert shares("cost_based", states) == [0, 1]


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_strategy_chooses_a_candidate_and_scores_it(
    make_state: MakeState, name: str, data: st.DataObject
) -> None:
    count = data.draw(st.integers(2, 6))
    states = []
    for number in range(count):
        state = make_state(
            f"p{number}",
            weight=data.draw(st.floats(0.01, 100)),
            priority=data.draw(st.integers(-3, 3)),
            limits=Limits(
                data.draw(st.none() | st.integers(0, 5)), data.draw(st.none() | st.integers(0, 50))
            ),
        )
        for _ in range(data.draw(st.integers(0, 4))):
            lease = started(state, 1.0, data.draw(st.integers(0, 40)))
            if data.draw(st.booleans()):
                first_event(lease, 1.0 + data.draw(st.floats(0, 100)))
        states.append(state)
    strategy = STRATEGIES[name]
    rng = random.Random(1)
    for turn in range(3):
        assert 0 <= strategy.choose(states, ANY, 2.0, rng, turn) < count
    if strategy.score is not None:
        for state in states:
            score = strategy.score(state, ANY, 2.0)
            assert score is None or score == score


# Sessions


def test_a_session_stays_where_it_is(make_state: MakeState) -> None:
    states = [make_state(name) for name in "abcd"]
    for number in range(50):
        session = session_of("key", str(number))
        assert len({affinity.choose(states, session) for _ in range(5)}) == 1


def test_sessions_spread_by_weight(make_state: MakeState) -> None:
    states = [make_state("a", weight=2.0), make_state("b"), make_state("c")]
    counts = Counter(affinity.choose(states, session_of("k", str(n))) for n in range(8000))
    assert [counts[i] / 8000 for i in range(3)] == pytest.approx([0.5, 0.25, 0.25], abs=0.02)


def test_one_that_leaves_moves_only_its_own_sessions(make_state: MakeState) -> None:
    states = [make_state(name) for name in "abcd"]
    rest = states[1:]
    for number in range(500):
        session = session_of("k", str(number))
        before = states[affinity.choose(states, session)]
        if before is not states[0]:
            assert rest[affinity.choose(rest, session)] is before


def test_a_favourite_with_too_much_to_do_passes_its_session_on(make_state: MakeState) -> None:
    states = [make_state(name) for name in "abcd"]
    session = session_of("k", "1")
    first, second, *_ = affinity.ranked(states, session)
    for state in states:
        state.in_flight = 8
    assert affinity.choose(states, session) == first
    states[first].in_flight = 16
    assert affinity.choose(states, session) == second


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads=st.lists(st.integers(0, 50), min_size=1, max_size=8), session=st.integers(0, 10**9))
def test_no_session_pushes_load_past_its_bound(
    make_state: MakeState, loads: list[int], session: int
) -> None:
    states = [make_state(f"d{number}") for number in range(len(loads))]
    for state, load in zip(states, loads, strict=True):
        state.in_flight = load
    chosen = states[affinity.choose(states, session_of(str(session)))]
    mean = (sum(loads) + 1) / len(loads)
    assert chosen.in_flight + 1 < 1.25 * mean + 1


def test_parts_of_a_session_are_kept_apart() -> None:
    assert session_of("ab", "c") != session_of("a", "bc")
    assert session_of("ab") == session_of(b"ab")
