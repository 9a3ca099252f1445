"""Ollama's clients ask for no words at times, so that a model is loaded, or let go.

Where no deployment of the route is an Ollama there is nothing to load, and the gateway says that
it is done.
"""

from portico.errors import GatewayError, NotSupported
from portico.types.call import Call
from portico.wire.ollama_chat import dialect as ollama_chat
from portico.wire.ollama_chat import loading


def may_answer(call: Call, error: GatewayError) -> bool:
    """Is this failure only that nobody there loads models?"""
    return (
        isinstance(error, NotSupported)
        and call.endpoint.dialect == ollama_chat.NAME
        and call.chat is not None
        and loading.is_one(call.chat)
    )


def answer(call: Call) -> int:
    asked = call.chat
    assert asked is not None  # `may_answer` has said so
    kind = b"application/x-ndjson" if asked.stream else b"application/json"
    lines = b"content-type: %b\r\nx-request-id: %b\r\n" % (kind, call.request_id.encode())
    body = loading.write_loaded(asked, int(call.at))
    call.responder.send(200, lines, body + b"\n" if asked.stream else body)
    return 200
