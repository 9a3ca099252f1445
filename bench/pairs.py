"""What each pair of dialects costs: every client's before every provider's, whole and streamed.

One gateway, one nginx and one upstream for each dialect of a provider; the clients take turns.
nginx moves the provider's answer as it is, so a ratio says what reading and writing it anew costs.
Where both sides speak the same dialect bytes pass through.
"""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import measure
from cases import Case
from clients import CLIENTS
from contenders import NGINX, PORTICO, Contender
from measure import Failed, Running
from providers import PIECES, PROVIDERS


@dataclass(frozen=True)
class Cost:
    """CPU µs of a request or of a chunk, and that over nginx's."""

    cpu_us: float
    ratio: float


Costs = dict[tuple[str, str, bool], Cost | str]
"""By client, provider and "is it streamed"; a text says why there is none."""


def run(folder: Path, *, rounds: int, contender: Contender = PORTICO) -> Costs:
    costs: Costs = {}
    for provider in PROVIDERS:
        print(f"{contender.title}: before {PROVIDERS[provider]}", file=sys.stderr, flush=True)
        costs |= _behind(provider, contender, folder, rounds)
    return costs


def case_of(client: str, provider: str, *, stream: bool) -> Case:
    return Case(
        f"{client}-{'stream' if stream else 'whole'}",
        "",
        connections=64 if stream else 32,
        stream=stream,
        client=client,
        provider=provider,
    )


def _behind(provider: str, contender: Contender, folder: Path, rounds: int) -> Costs:
    ports, floor_ports = measure.pair_of_ports()
    first = case_of(next(iter(CLIENTS)), provider, stream=False)
    place = folder / provider
    with (
        measure.upstream(folder, first, ports),
        measure.started(NGINX, place / "floor", first, floor_ports) as floor,
        measure.started(contender, place, first, ports) as gateway,
    ):
        costs: Costs = {}
        for stream in (False, True):
            costs |= _form(provider, gateway, floor, stream=stream, rounds=rounds)
        return costs


def _form(provider: str, gateway: Running, floor: Running, *, stream: bool, rounds: int) -> Costs:
    costs: Costs = {}
    cases = {}
    for client in CLIENTS:
        case = case_of(client, provider, stream=stream)
        fault = measure.fault(gateway.contender, case, gateway.ports)
        if fault:
            costs[client, provider, stream] = fault
        else:
            cases[client] = case
    loads: dict[str, list[tuple[float, float]]] = {client: [] for client in cases}
    per = PIECES + 1 if stream else 1
    for at in range(rounds + 1):
        nginx = measure.drive(floor, cases["openai_chat"], 1).cpu_us
        for client, case in cases.items():
            load = measure.drive(gateway, case, 1)
            if load.failed:
                raise Failed(f"{client} → {provider}: {load.failed} requests failed")
            if at:  # the first round warms up
                loads[client].append((load.cpu_us, load.cpu_us / nginx))
    for client, pairs in loads.items():
        cpu_us, ratio = (statistics.median(column) for column in zip(*pairs, strict=True))
        costs[client, provider, stream] = Cost(cpu_us / per, ratio)
    return costs


def tables(costs: Costs) -> str:
    """Two Markdown tables: a request answered whole, and a chunk of a stream."""
    parts = []
    for stream, title in ((False, "a request answered whole"), (True, "a chunk of a stream")):
        clients = [client.title for client in CLIENTS.values()]
        lines = [
            f"CPU µs of {title} (× nginx):",
            "",
            "| provider ↓ client → | " + " | ".join(clients) + " |",
            "|---|" + "--:|" * len(clients),
        ]
        for provider, name in PROVIDERS.items():
            cells = [_shown(costs, client, provider, stream) for client in CLIENTS]
            if any(cells):
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _shown(costs: Costs, client: str, provider: str, stream: bool) -> str:
    cost = costs.get((client, provider, stream))
    if cost is None or isinstance(cost, str):
        return cost or ""
    figure = (
        f"{cost.cpu_us:,.1f} ({cost.ratio:.1f})"
        if stream
        else f"{cost.cpu_us:,.0f} ({cost.ratio:.1f})"
    )
    return f"*{figure}*" if client == provider else figure
