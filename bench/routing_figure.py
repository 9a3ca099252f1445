"""Draw `docs/routing.svg`: what share of the attempts goes to the upstream that misbehaves.

    python bench/routing_figure.py [--runs 20]

The worlds of `routing_sim`, of which each second is counted and the seeds are averaged.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.routing_sim import CHECKED, SCENARIOS, made  # noqa: E402
from bench.routing_world import LENGTH_S  # noqa: E402

SHOWN = ("adaptive", CHECKED, "least_busy", "round_robin")
COLOURS = ("#0b6e4f", "#08a4bd", "#d1495b", "#8d96a3")
PANEL = (660.0, 120.0)
LEFT, TOP, GAP = 48.0, 44.0, 46.0
BIN_S = 2.0


def shares(scenario: str, strategy: str, runs: int) -> list[float]:
    """Of the upstream that misbehaves, for each two seconds."""
    bins = int(LENGTH_S / BIN_S)
    bad, total = [0] * bins, [0] * bins
    for seed in range(1, runs + 1):
        for at, id in made(scenario, strategy, seed).run().attempts:
            place = int(at / BIN_S)
            if place < bins:
                total[place] += 1
                bad[place] += id == "u0/m"
    return [some / of if of else 0.0 for some, of in zip(bad, total, strict=True)]


def curve(values: list[float], left: float, bottom: float) -> str:
    width, height = PANEL
    step = width / len(values)
    return " ".join(
        f"{left + (place + 0.5) * step:.1f},{bottom - min(value / 0.5, 1.0) * height:.1f}"
        for place, value in enumerate(values)
    )


def panel(scenario: str, top: float, runs: int) -> Iterable[str]:
    width, height = PANEL
    bottom = top + height
    _, start, end = SCENARIOS[scenario]
    begin, length = LEFT + start / LENGTH_S * width, (end - start) / LENGTH_S * width
    yield f'<text x="{LEFT}" y="{top - 8}" class="title">{scenario}</text>'
    yield f'<rect x="{begin}" y="{top}" width="{length}" height="{height}" class="ill"/>'
    for share in (0.0, 0.25, 0.5):
        y = bottom - share / 0.5 * height
        yield f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{y}" y2="{y}" class="grid"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" class="scale end">{share:.0%}</text>'
    for second in range(0, int(LENGTH_S) + 1, 20):
        x = LEFT + second / LENGTH_S * width
        yield f'<text x="{x}" y="{bottom + 15}" class="scale mid">{second} s</text>'
    for strategy, colour in zip(SHOWN, COLOURS, strict=True):
        points = curve(shares(scenario, strategy, runs), LEFT, bottom)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def drawing(runs: int) -> str:
    scenarios = list(SCENARIOS)[:3]
    width = LEFT + PANEL[0] + 20
    height = TOP + len(scenarios) * (PANEL[1] + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        'font-family="sans-serif" font-size="12">',
        "<style>.title{font-weight:600}.scale{fill:#667}.mid{text-anchor:middle}"
        ".end{text-anchor:end}.grid{stroke:#ccd}.ill{fill:#f4ece6}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for place, (strategy, colour) in enumerate(zip(SHOWN, COLOURS, strict=True)):
        x = LEFT + place * 150
        lines.append(
            f'<line x1="{x}" x2="{x + 22}" y1="14" y2="14" stroke="{colour}" stroke-width="3"/>'
        )
        lines.append(f'<text x="{x + 28}" y="18">{strategy}</text>')
    for place, scenario in enumerate(scenarios):
        lines += panel(scenario, TOP + place * (PANEL[1] + GAP), runs)
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="seeds to average over")
    options = parser.parse_args()
    (ROOT / "docs/routing.svg").write_text(drawing(options.runs))


if __name__ == "__main__":
    main()
