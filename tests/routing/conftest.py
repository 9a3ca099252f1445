"""Deployments, states and routes in one line each."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from portico.policy.limits import RateWindow
from portico.routing.health import DeploymentState, carry_over
from portico.routing.router import RouteState
from portico.types.deployment import Deployment, Provider, RetryPolicy, Route
from portico.types.http import Origin
from portico.types.secret import Secret

MakeDeployment = Callable[..., Deployment]
MakeRoute = Callable[..., RouteState]


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


def deployment(name: str, **fields: Any) -> Deployment:
    key = fields.pop("key", f"key-of-{name}")
    provider = Provider(
        name=name,
        type="openai_compatible",
        dialect="openai",
        origin=Origin("https", fields.pop("host", f"{name}.example"), 443),
        base_path="/v1",
        api_key=Secret(key),
    )
    return Deployment(id=f"{name}/m", provider=provider, model="m", **fields)


@pytest.fixture
def make_deployment() -> MakeDeployment:
    return deployment


@pytest.fixture
def make_state() -> Callable[..., DeploymentState]:
    def make(name: str = "a", **fields: Any) -> DeploymentState:
        one = deployment(name, **fields)
        return carry_over((one,), {}, RateWindow)[one.id]

    return make


@pytest.fixture
def make_route() -> MakeRoute:
    """`make_route("a", "b")`, or with deployments; `strategy` and `retry` by keyword."""

    def make(
        *deployments: Deployment | str,
        strategy: str = "round_robin",
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008
    ) -> RouteState:
        ours = tuple(deployment(d) if isinstance(d, str) else d for d in deployments)
        route = Route(name="r", deployments=ours, strategy=strategy, retry=retry)
        return RouteState(route, carry_over(ours, {}, RateWindow))

    return make
