"""How errors are written to clients, by the dialect that they speak."""

from collections.abc import Callable

from portico.errors import GatewayError
from portico.wire.openai_error import write_error
from portico.wire.table import CLIENT_DIALECTS


def error_writer(dialect: str) -> Callable[[GatewayError], bytes]:
    if dialect.startswith("openai"):
        return write_error
    return CLIENT_DIALECTS[dialect].write_error
