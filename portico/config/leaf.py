"""Single values: text to the type that a setting wants, or what is wrong with it.

Messages say what would be right. What a variable held is never shown, since it may be a secret.
"""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import inspect

from portico.config import yaml_tree
from portico.config.problem import suggest
from portico.config.yaml_tree import Scalar


class Unfit(Exception):
    """`what` is empty where only the kind is wrong; a NUL in it is where the value is shown."""

    def __init__(self, what: str = "", hint: str = "") -> None:
        self.what = what
        self.hint = hint


def in_range(value: Any, kind: inspect.IntType | inspect.FloatType) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit("must be finite")
    low, high = kind.ge, kind.le
    fits = (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (kind.gt is None or value > kind.gt)
        and (kind.lt is None or value < kind.lt)
    )
    if fits:
        return value
    bounds = [
        text
        for bound, text in (
            (low, f"at least {low}"),
            (kind.gt, f"more than {kind.gt}"),
            (high, f"at most {high}"),
            (kind.lt, f"less than {kind.lt}"),
        )
        if bound is not None
    ]
    raise Unfit(f"must be {' and '.join(bounds)}\0")


def finite_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unfit("must be finite") from None


def price(text: str, extra: dict[str, Any]) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unfit from None
    if not value.is_finite() or value < extra.get("ge", 0) or value > 10**9:
        raise Unfit("must be between 0 and 1000000000\0")
    if -value.as_tuple().exponent > 30:  # type: ignore[operator]
        raise Unfit("has more than 30 decimals")
    return value


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = datetime.combine(date.fromisoformat(text), time())
        except ValueError:
            raise Unfit from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def text_of(text: str, kind: inspect.StrType, extra: dict[str, Any]) -> str:
    choices = extra.get("choices")
    if choices is not None:
        word = text.strip().lower().replace("-", "_")
        if word not in choices:
            raise Unfit("must be one of the known values\0", suggest(word, choices))
        return str(choices[word])
    if kind.min_length and len(text.strip()) < kind.min_length:
        raise Unfit("must not be empty")
    if "\0" in text:
        raise Unfit("must not hold a NUL character")
    return text.strip().lower() if extra.get("fold") else text


def shown_value(written: Scalar, filled: Scalar, *, secret: bool) -> str:
    """`, not 'x'`; what a variable held is never shown, since it may be a secret."""
    if secret or not written.place.line:
        return ""
    if filled is not written:
        return f", which the value of {written.text[:60]} is not"
    text = written.text if len(written.text) <= 40 else written.text[:39] + "…"
    return f", not {text if written.plain else repr(text)}"


def yaml_hint(node: Scalar, kinds: list[inspect.Type]) -> str:
    word = node.text.lower()
    if any(isinstance(kind, inspect.BoolType) for kind in kinds):
        if word in ("yes", "on", "y", "1"):
            return "write true"
        if word in ("no", "off", "n", "0"):
            return "write false"
    numeric = any(
        isinstance(k, (inspect.IntType, inspect.FloatType, inspect.BoolType)) for k in kinds
    )
    bare = yaml_tree.resolve(msgspec.structs.replace(node, plain=True, tag=""))
    if numeric and not isinstance(bare, str) and not (node.plain or node.tag):
        return "leave out the quotes"
    if any(isinstance(kind, inspect.VarTupleType) for kind in kinds):
        return "write it in brackets: [...]"
    return ""
