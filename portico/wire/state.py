"""Opaque provider state on its way through a client that speaks another dialect.

A client gives back what it was given, in the one field its dialect has for such things. There a
foreign state travels sealed, `portico:1:<dialect>:<provider>:<model>:<data>`, so that the next
request shows whose it is; a dialect's own state travels bare, as its official clients expect.
"""

from typing import Final
from urllib.parse import quote, unquote

from portico.types.chat import Home, ProviderState

_PREFIX: Final = "portico:1:"

_MARK: Final = b'"portico:'
_MARK_BASE64: Final = b'"cG9ydGljbz'
"""How a string begins that holds a sealed state: Gemini's clients want bytes, so base64 there."""


def may_hold_sealed(body: bytes, dialect: str) -> bool:
    """Does a request seem to bring foreign state, which providers of its dialect would refuse?"""
    return (_MARK_BASE64 if dialect == "gemini_generate" else _MARK) in body


def seal(state: ProviderState, dialect: str) -> str:
    """The text for a field of `dialect`."""
    if state.dialect == dialect and not state.data.startswith(_PREFIX):
        return state.data
    home = state.home or Home("", "")
    return ":".join(
        (
            _PREFIX[:-1],
            state.dialect,
            quote(home.provider, safe=""),
            quote(home.model, safe=""),
            state.data,
        )
    )


def unseal(text: str, dialect: str) -> ProviderState:
    """The state in a field of `dialect`, whoever it belongs to."""
    if text.startswith(_PREFIX):
        parts = text[len(_PREFIX) :].split(":", 3)
        if len(parts) == 4 and parts[0]:
            provider, model = unquote(parts[1]), unquote(parts[2])
            home = Home(provider, model) if provider or model else None
            return ProviderState(parts[0], parts[3], home)
    return ProviderState(dialect, text)
