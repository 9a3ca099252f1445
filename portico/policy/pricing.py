"""What usage costs: `Usage` and a table of prices become `Spend`, in whole nano-USD.

The rules, in the order they apply:

1. A price is found by component, tier and size. Sizes are thresholds of total input tokens, and the
   whole request is priced in the band it falls into, as the providers' price pages say. A component
   without a price at a threshold keeps the one it had.
2. A tier's token prices are its own. A token that a tier lists no price for is *unpriced* and not
   charged at the standard price: `flex` would be charged double, `priority` half. What is not a
   token (a search, an image, a request) costs the same in every tier.
3. Two components borrow a price, for providers bill them so: reasoning is output, and image input
   is input, unless priced apart. Nothing else is borrowed: audio, cache reads and cache writes have
   their own price or none.
4. A part with a quantity and no price makes the whole spend unpriced; a zero quantity is no part.
5. Where tokens were counted, the same thing is not charged again by image, second or character.
6. A fraction of a nano-USD is rounded up, once for each part, so that a budget is never overspent
   by rounding; the total is the sum of the parts.
"""

from collections.abc import Iterable
from fractions import Fraction

from portico.policy.price_table import Band, Pair, PriceTable
from portico.types.usage import Spend, Usage

__all__ = ["PriceTable", "settle", "worst_case"]

_TOKENS = (
    ("input_tokens", "input"),
    ("cache_read_tokens", "cache_read"),
    ("cache_write_tokens", "cache_write"),
    ("cache_write_1h_tokens", "cache_write_1h"),
    ("input_audio_tokens", "input_audio"),
    ("cache_read_audio_tokens", "cache_read_audio"),
    ("input_image_tokens", "input_image"),
    ("output_tokens", "output"),
    ("reasoning_tokens", "reasoning"),
    ("output_audio_tokens", "output_audio"),
    ("output_image_tokens", "output_image"),
)
_MILLISECONDS = 1000


def settle(
    usage: Usage, prices: PriceTable, *, tier: str | None = None, region: str | None = None
) -> Spend:
    """What `usage` cost. `tier` is how the provider served it, `usage.service_tier` unless given;
    `region` is where, if the provider charges for that."""
    if tier is None:
        tier = usage.service_tier
    bands = prices.standard if tier is None else prices.bands(tier)
    spend = _settle_text(usage, bands) if region is None else None
    return _settle_all(usage, prices, bands, tier, region) if spend is None else spend


def worst_case(
    prices: PriceTable,
    input_tokens_estimate: int,
    max_output_tokens: int,
    *,
    tier: str | None = None,
    region: str | None = None,
    hour_cache: bool = False,
) -> int | None:
    """The most that a text request may cost, in nano-USD, to be reserved before it is sent.

    All input counts as the dearest of fresh or written to the cache (for an hour, if the request
    asks for that), all output as the dearest of visible or reasoning; of the asked tier and the
    standard one, in which a provider may serve it instead, the dearer. Short of the bill by no more
    than the rounding of its parts. `None`: no price is known.
    """
    ways_in = ("input", "cache_write", "cache_write_1h") if hour_cache else ("input", "cache_write")
    bands = [_band_of(prices.standard, input_tokens_estimate)]
    if tier is not None:
        bands.append(_band_of(prices.bands(tier), input_tokens_estimate))
    costs = [
        _bound(band, ways_in, input_tokens_estimate, max_output_tokens, prices, region)
        for band in bands
    ]
    known = [cost for cost in costs if cost is not None]
    return max(known) if len(known) == len(bands) else None


def _bound(
    band: Band,
    ways_in: tuple[str, ...],
    tokens_in: int,
    tokens_out: int,
    prices: PriceTable,
    region: str | None,
) -> int | None:
    if "input" not in band.prices or (tokens_out and "output" not in band.prices):
        return None
    factor = _factor(prices, region)
    dearest_in = _dearest(band, ways_in)
    dearest_out = _dearest(band, ("output", "reasoning"))
    fee = band.prices.get("request", (0, 1))
    return (
        _round_up(tokens_in, dearest_in, factor)
        + _round_up(tokens_out, dearest_out, factor)
        + _round_up(1, fee, (1, 1))
    )


def _dearest(band: Band, components: Iterable[str]) -> Pair:
    listed = (band.prices[component] for component in components if component in band.prices)
    return max(listed, key=lambda pair: Fraction(*pair), default=(0, 1))


def _settle_text(usage: Usage, bands: tuple[Band, ...]) -> Spend | None:
    """The usual call at whole prices: text in, perhaps from a cache, text and thoughts out.

    `None` for any other. A third of the time that the part-by-part way takes.
    """
    fresh = usage.input_tokens
    visible = usage.output_tokens
    if fresh is None or visible is None or _has_more_than_text(usage):
        return None
    cached = usage.cache_read_tokens
    band = bands[0] if len(bands) == 1 else _band_of(bands, fresh + cached)
    if not band.is_plain:
        return None
    cost = 0
    parts = {}
    for component, quantity, price in (
        ("input", fresh, band.input),
        ("cache_read", cached, band.cache_read),
        ("output", visible, band.output),
        ("reasoning", usage.reasoning_tokens, band.reasoning),
    ):
        if quantity:
            if price is None:
                return None
            part = parts[component] = quantity * price
            cost += part
    return Spend(cost, parts)


def _has_more_than_text(usage: Usage) -> bool:
    return bool(
        usage.cache_write_tokens
        or usage.cache_write_1h_tokens
        or usage.input_audio_tokens
        or usage.cache_read_audio_tokens
        or usage.input_image_tokens
        or usage.output_audio_tokens
        or usage.output_image_tokens
        or usage.output_images
        or usage.input_characters
        or usage.audio_seconds
        or usage.searches
    )


def _settle_all(
    usage: Usage,
    prices: PriceTable,
    bands: tuple[Band, ...],
    tier: str | None,
    region: str | None,
) -> Spend:
    """Any usage, part by part: what `settle` leaves to it."""
    total = usage.total_input_tokens
    band = bands[-1] if total is None else _band_of(bands, total)
    factor = _factor(prices, region)
    parts: dict[str, int] = {}
    unpriced: list[str] = []
    for field, component in _TOKENS:
        quantity = getattr(usage, field)
        if not quantity:
            continue
        price = band.prices.get(component)
        if price is None:
            unpriced.append(component if tier is None else f"{component}@{tier}")
        else:
            parts[component] = _round_up(quantity, price, factor)
    measured_by_unit = False
    for component, quantity, scale in _units(usage, band):
        price = band.prices.get(component)
        if price is None:
            unpriced.append(component)
        else:
            measured_by_unit = True
            parts[component] = _round_up(quantity, price, (1, scale))
    if not measured_by_unit:
        unpriced += _unsaid(usage, band)
    fee = band.prices.get("request")
    if fee is not None and usage.requests:
        parts["request"] = _round_up(usage.requests, fee, (1, 1))
    if not parts and not unpriced and not _is_free(usage, band):
        unpriced.append("usage")
    if unpriced:
        return Spend(None, parts, tuple(unpriced))
    return Spend(sum(parts.values()), parts)


def _units(usage: Usage, band: Band) -> Iterable[tuple[str, int, int]]:
    """What is not counted in tokens: component, quantity, and how many of that make one unit."""
    counted = usage.input_tokens is not None and "input" in band.prices
    if usage.output_images and not usage.output_image_tokens:
        yield "image", usage.output_images, 1
    if usage.input_characters and not counted:
        yield "character", usage.input_characters, 1
    if usage.audio_seconds and not counted and not usage.input_audio_tokens:
        milliseconds = round(usage.audio_seconds * _MILLISECONDS)
        if milliseconds:
            yield "second", milliseconds, _MILLISECONDS
    if usage.searches:
        yield "query", usage.searches, 1


def _unsaid(usage: Usage, band: Band) -> Iterable[str]:
    """Token counts that nobody told, of components that do cost something here."""
    for quantity, component in ((usage.input_tokens, "input"), (usage.output_tokens, "output")):
        if quantity is None and band.prices.get(component, (0, 1))[0]:
            yield component


def _is_free(usage: Usage, band: Band) -> bool:
    """Nothing was charged: nothing was used, or all that is priced costs nothing."""
    if not band.prices:
        return False
    used_nothing = usage.input_tokens == 0 and not usage.output_tokens
    return used_nothing or all(price[0] == 0 for price in band.prices.values())


def _band_of(bands: tuple[Band, ...], input_tokens: int) -> Band:
    for band in bands:
        if input_tokens > band.threshold:
            return band
    return bands[-1]


def _factor(prices: PriceTable, region: str | None) -> Pair:
    return (1, 1) if region is None else prices.multiplier(region) or (1, 1)


def _round_up(quantity: int, price: Pair, factor: Pair) -> int:
    return -(-quantity * price[0] * factor[0] // (price[1] * factor[1]))
