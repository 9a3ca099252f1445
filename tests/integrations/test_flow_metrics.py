"""Figures of routing on the page: what is counted, and what deployments are at the scrape."""

from portico.integrations.gateway_metrics import MAX_VALUES, GatewayMetrics
from tests.integrations.views import check_of, view_of


def test_what_happens_in_line_is_counted(read):
    gateway = GatewayMetrics()
    waiting = [4]
    gateway.watch(tuple, lambda: waiting[0])
    gateway.queued(0.02)
    gateway.queued(-0.1)
    gateway.queue_refused("timeout")
    value = read(gateway.render())
    assert value("gateway_queue_length") == 4
    assert value("gateway_queue_wait_seconds_count") == 2
    assert value("gateway_queue_wait_seconds_sum") == 0.02
    assert value("gateway_queue_wait_seconds_bucket", le="0.01") == 1
    assert [
        value("gateway_queue_refusals_total", reason=reason)
        for reason in ("full", "displaced", "timeout")
    ] == [0, 0, 1]


def test_copies_and_shared_answers_are_counted(read):
    gateway = GatewayMetrics()
    for outcome in ("won", "lost", "lost", "failed"):
        gateway.hedged(outcome)
    gateway.shared("answer")
    value = read(gateway.render())
    assert [
        value("gateway_hedges_total", outcome=outcome) for outcome in ("won", "lost", "failed")
    ] == [1, 2, 1]
    assert value("gateway_shared_answers_total", outcome="answer") == 1
    assert value("gateway_shared_answers_total", outcome="error") == 0


def test_deployments_are_as_they_are_at_the_scrape(read):
    gateway = GatewayMetrics()
    seen = [
        view_of("a/m", in_flight=3, in_flight_limit=8),
        view_of("b/m", state="half_open", circuit="half_open", circuit_openings=2),
        view_of("c/m", state="open", circuit="open", health_check=check_of("bad")),
        view_of("d/m", state="cooldown", health_check=None),
        view_of("e/m", health_check=check_of("unclear")),
    ]
    gateway.watch(lambda: seen, int)
    value = read(gateway.render())

    def of(name):
        return [value(f"gateway_{name}", deployment=f"{letter}/m") for letter in "abcde"]

    assert of("deployment_state") == [0, 1, 2, 2, 0]
    assert of("deployment_in_flight") == [3, 0, 0, 0, 0]
    assert of("deployment_in_flight_limit") == [8, None, None, None, None]
    assert of("circuit_state") == [0, 1, 2, 0, 0]
    assert of("circuit_openings_total") == [0, 2, 0, 0, 0]
    assert of("deployment_health_check") == [1, 1, 0, None, None]
    del seen[1:]
    assert [
        key for key in read(gateway.render()).samples if key[0] == "gateway_deployment_state"
    ] == [("gateway_deployment_state", ("deployment", "a/m"))]


def test_health_checks_are_counted_by_provider_and_verdict_and_bounded(read):
    gateway = GatewayMetrics()
    for number in range(MAX_VALUES + 20):
        gateway.health_checked(f"p{number}", "bad")
    gateway.health_checked("p0", "bad")
    value = read(gateway.render())
    assert value("gateway_health_checks_total", provider="p0", verdict="bad") == 2
    assert value("gateway_health_checks_total", provider="other", verdict="bad") == 20


def test_so_many_deployments_and_no_more_are_shown(read):
    gateway = GatewayMetrics()
    gateway.watch(lambda: [view_of(f"p/{number}") for number in range(MAX_VALUES + 5)], int)
    samples = read(gateway.render()).samples
    assert sum(key[0] == "gateway_deployment_state" for key in samples) == MAX_VALUES
