"""May they? Pure answers about a principal."""

from fnmatch import fnmatchcase

from portico.types.identity import Principal


def may_use(principal: Principal, model: str) -> bool:
    """Is the public model name covered by the key's list of exact names and `*` patterns?"""
    allowed = principal.models
    if "*" in allowed or model in allowed:
        return True
    return any("*" in pattern and fnmatchcase(model, pattern) for pattern in allowed)


def is_expired(principal: Principal, now: float) -> bool:
    """`now` is UTC epoch seconds."""
    return principal.expires_at is not None and now >= principal.expires_at
