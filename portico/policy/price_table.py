"""The prices of one deployment, compiled so that settling a call is a few multiplications.

Rules 1 to 3 of `policy.pricing` live here: which price holds in which tier and at which size, and
who borrows from whom. Compiling takes some tens of microseconds, once per deployment.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Self

from portico.types.usage import Price

Pair = tuple[int, int]
_Listed = dict[str, dict[str, dict[int, Pair]]]

STANDARD_TIERS = frozenset({"standard", "default", "auto", "on_demand"})
"""What providers call the tier that has no name of its own here."""

ANY_TIER = "*"

# Reasoning is billed as output: https://platform.openai.com/docs/guides/reasoning. Image input has
# one price with text: https://ai.google.dev/gemini-api/docs/pricing ("text / image / video").
_LENDERS = {"reasoning": "output", "input_image": "input"}
_UNITS = frozenset(
    {
        "image",
        "image_input",
        "character",
        "second",
        "query",
        "request",
        "message",
        "page",
        "annotated_page",
    }
)


class Band:
    """The prices of one tier from one size on: whole ones as plain integers for the usual call."""

    __slots__ = ("cache_read", "input", "is_plain", "output", "prices", "reasoning", "threshold")

    def __init__(self, threshold: int, prices: dict[str, Pair]) -> None:
        self.threshold = threshold
        self.prices = prices
        self.input = _whole(prices.get("input"))
        self.output = _whole(prices.get("output"))
        self.cache_read = _whole(prices.get("cache_read"))
        self.reasoning = _whole(prices.get("reasoning"))
        self.is_plain = bool(prices) and "request" not in prices


class PriceTable:
    """The prices of one deployment, compiled once: for each tier its bands, the largest first.

    `prices` is keyed `component[@tier][>threshold]`, the tier `*` meaning any; `regions` holds
    multipliers of token prices by region, `*` meaning any but `global`.
    """

    __slots__ = ("_bands", "_regions", "_unknown_tier", "standard")

    def __init__(
        self, prices: Mapping[str, Price], regions: Mapping[str, Price] | None = None
    ) -> None:
        listed = _by_tier(prices)
        self.standard = _bands(listed, "")
        self._bands = {tier: _bands(listed, tier) for tier in listed if tier not in ("", ANY_TIER)}
        self._unknown_tier = _bands(listed, ANY_TIER)
        self._regions = {name: _pair(price) for name, price in (regions or {}).items()}

    @classmethod
    def empty(cls) -> Self:
        """Of a model nobody priced: whatever it uses is unpriced."""
        return cls({})

    @classmethod
    def from_usd_per_million(
        cls,
        usd: Mapping[str, Decimal],
        *,
        base: Mapping[str, Price] | None = None,
        regions: Mapping[str, Price] | None = None,
    ) -> Self:
        """An operator's prices, USD per million units by component, over the catalog's in `base`.

        One such price holds in every tier and at every size: it replaces all that `base` says of
        its component. A price of `output` is one of reasoning too, unless that is given apart.
        """
        replaced = usd.keys() | ({"reasoning"} if "output" in usd else set())
        prices = {
            key: price for key, price in (base or {}).items() if _split(key)[0] not in replaced
        }
        for component, price in usd.items():
            prices[f"{component}@{ANY_TIER}"] = _from_usd(price)
        return cls(prices, regions)

    def bands(self, tier: str | None) -> tuple[Band, ...]:
        if tier is None:
            return self.standard
        name = tier.lower()
        if name in STANDARD_TIERS:
            return self.standard
        return self._bands.get(name, self._unknown_tier)

    def multiplier(self, region: str) -> Pair | None:
        if region in self._regions:
            return self._regions[region]
        return None if region == "global" else self._regions.get(ANY_TIER)


def _by_tier(prices: Mapping[str, Price]) -> _Listed:
    """Tier, then component, then threshold. The standard tier is always there, under no name."""
    listed: _Listed = {"": {}}
    for key, price in prices.items():
        component, tier, threshold = _split(key)
        listed.setdefault(tier, {}).setdefault(component, {})[threshold] = _pair(price)
    for component, lender in _LENDERS.items():
        if all(_only_repeats(sizes, component, lender) for sizes in listed.values()):
            for sizes in listed.values():
                sizes.pop(component, None)
    return listed


def _only_repeats(sizes: dict[str, dict[int, Pair]], component: str, lender: str) -> bool:
    """Says the list nothing but the lender's price again? Then the lender's holds everywhere: price
    lists often repeat it for the standard tier and forget it for the others."""
    lent = sizes.get(lender, {})
    return all(lent.get(size) == price for size, price in sizes.get(component, {}).items())


def _bands(listed: _Listed, tier: str) -> tuple[Band, ...]:
    standard, any_tier = listed[""], listed.get(ANY_TIER, {})
    own = standard if tier == "" else listed.get(tier, {})
    components = standard.keys() | own.keys() | any_tier.keys()
    thresholds = {0} | {
        threshold
        for source in (standard, own, any_tier)
        for sizes in source.values()
        for threshold in sizes
    }
    bands = []
    for threshold in sorted(thresholds, reverse=True):
        prices = {}
        for component in components:
            price = _price_at(
                threshold,
                own.get(component) or any_tier.get(component) or {},
                standard.get(component, {}),
                is_unit=component in _UNITS,
            )
            if price is not None:
                prices[component] = price
        for component, lender in _LENDERS.items():
            if lender in prices and component not in components:
                prices[component] = prices[lender]
        bands.append(Band(threshold, prices))
    return tuple(bands)


def _price_at(
    threshold: int,
    own: dict[int, Pair],
    standard: dict[int, Pair],
    *,
    is_unit: bool,
) -> Pair | None:
    """The price from `threshold` on: the tier's own, unless the standard one changes at a size
    where the tier does not say how."""
    if is_unit and not own:
        own = standard
    reached = max((size for size in own if size <= threshold), default=None)
    changed = max((size for size in standard if size <= threshold), default=0)
    return own[reached] if reached is not None and reached >= changed else None


def _split(key: str) -> tuple[str, str, int]:
    name, _, threshold = key.partition(">")
    component, _, tier = name.partition("@")
    return component, tier, int(threshold or 0)


def _pair(price: Price) -> Pair:
    return (price, 1) if isinstance(price, int) else (price[0], price[1])


def _whole(pair: Pair | None) -> int | None:
    return pair[0] if pair is not None and pair[1] == 1 else None


def _from_usd(per_million: Decimal) -> Price:
    """One USD per million units is a thousand nano-USD per unit."""
    price = Fraction(per_million) * 1000
    return price.numerator if price.denominator == 1 else (price.numerator, price.denominator)
