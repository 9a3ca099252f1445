"""A value that must not be seen: provider keys, passwords, tokens."""


class Secret:
    """Holds a string; `reveal()` gives it, everything else shows a mask like `sk-…a1b2`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({mask(self._value)!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def mask(value: str) -> str:
    """Shorten a key to what a person needs to recognise it; short values show nothing."""
    if len(value) < 16:
        return "…"
    return f"{value[:3]}…{value[-4:]}"
