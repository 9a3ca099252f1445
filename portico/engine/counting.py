"""The tokens of a prompt, where no provider of the route can be asked for them.

Clients plan their context by this number, so an estimate serves them better than an error; it is
marked as one, and costs nothing.
"""

from typing import Final

from portico.engine import fields
from portico.engine.passage.counted import read_prompt
from portico.errors import GatewayError, NotSupported, UpstreamError
from portico.policy.prompt_tokens import prompt_tokens
from portico.types.call import Call
from portico.wire.natives import COUNTERS

_NO_SUCH_PLACE: Final = (404, 405, 501)
"""What providers that speak a dialect without its token counting answer."""


def may_estimate(call: Call, error: GatewayError) -> bool:
    """Is this failure only that nobody there counts?"""
    if call.endpoint.operation != "count_tokens":
        return False
    if isinstance(error, UpstreamError):
        return error.upstream_status in _NO_SUCH_PLACE
    return isinstance(error, NotSupported)


def estimate(call: Call) -> int:
    """Answer with an estimate; raises `InvalidRequest` for a body that cannot be read."""
    tokens = prompt_tokens(read_prompt(call))
    lines = b"content-type: application/json\r\n%bx-portico-estimated: true\r\n" % fields.id_lines(
        call
    )
    call.responder.send(200, lines, COUNTERS[call.endpoint.dialect].write_token_count(tokens))
    return 200
