"""Who asks."""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """A key's owner and what the key may do. `models` holds exact names and `*` patterns.

    `expires_at` is UTC epoch seconds. `key_id` is safe to show: it names the key and is not derived
    from the secret.
    """

    key_id: str
    name: str
    models: tuple[str, ...] = ("*",)
    is_admin: bool = False
    expires_at: float | None = None
    team: str | None = None
    user: str | None = None
    user_field: bytes | None = None
    """The header field, in lower case, that says whom a call of this key is for."""
    priority: int = 0
    """Where calls wait in line, the higher goes first."""
