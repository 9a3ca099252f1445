"""May the bytes of a call pass? What both sides speak alike, and what still stands against it.

Each reason not to is a fact of the provider's row, met by a mark in the body: a search that ends at
once in nearly all of them.
"""

from typing import Final

from portico.engine.conversations import Conversations
from portico.types.call import Call
from portico.types.deployment import Deployment, Provider
from portico.wire.media import may_have_urls
from portico.wire.mistral_clients import is_mistrals
from portico.wire.natives import NATIVES
from portico.wire.state import may_hold_sealed

_INNER: Final = b'"generateContentRequest"'
_ASKS_REASONING: Final = (b'"reasoning_effort"', b'"prompt_mode"')


def bytes_pass(call: Call, provider: Provider, spoken: str, conversations: Conversations) -> bool:
    """Do both sides speak the same protocol for this operation? Whoever speaks Chat is taken to
    offer everything of OpenAI's but Responses, which its row must say.
    """
    dialect = call.endpoint.dialect
    if spoken != dialect or (provider.no_media_urls and _has_refused_urls(call, provider)):
        return False
    if dialect != "openai_chat" and may_hold_sealed(call.request.body, dialect):
        return False
    if call.endpoint.operation == "response":
        return _responses_pass(call, provider, conversations)
    if dialect != "openai_chat" and dialect not in NATIVES:
        return False
    match call.endpoint.operation:
        case "chat":
            if call.envelope.stream and _pieces_calls(call, provider):
                return False
            return not is_misplaced(call)
        case "count_tokens":
            # A whole request inside that of `countTokens` names a model too, and is written anew.
            return _INNER not in call.request.body
        case _:
            return True


def _responses_pass(call: Call, provider: Provider, conversations: Conversations) -> bool:
    """A provider is asked to go on only with what it may have: not with what is kept here, nor if
    it keeps nothing; and what it does not keep must pass here to be kept.
    """
    seen = call.envelope
    if provider.stateless_responses:
        return seen.store is False and not seen.previous_response_id
    previous = seen.previous_response_id
    return not (previous and conversations.has(call.principal.key_id, previous, call.at))


def _has_refused_urls(call: Call, provider: Provider) -> bool:
    """Does it seem to name media by URL, to a provider that takes none though its dialect does?"""
    return (
        call.endpoint.dialect in provider.no_media_urls
        and call.endpoint.operation in ("chat", "response")
        and may_have_urls(call.request.body)
    )


def _pieces_calls(call: Call, provider: Provider) -> bool:
    """Would the provider stream tool calls in pieces to a client that takes none?"""
    return (
        is_mistrals(call.request.headers)
        and not provider.for_mistrals_sdk
        and b'"tools"' in call.request.body
    )


def is_misplaced(call: Call) -> bool:
    """Is it a body of Responses, sent to Chat Completions? Cursor does so, and wants chunks of a
    chat for an answer.
    """
    body = call.request.body
    return (
        b'"messages"' not in body and b'"input"' in body and call.endpoint.dialect == "openai_chat"
    )


def thinks_in_parts(call: Call, deployment: Deployment) -> bool:
    """Would reasoning come in a list, where clients of OpenAI expect the text of the answer? They
    get it beside the text, by way of the hub; the provider's own client knows both.
    """
    rules = deployment.provider.message_rules
    if rules is None or not rules.thinks_in_parts or call.endpoint.operation != "chat":
        return False
    if b"mistral" in call.request.headers.get(b"user-agent", b"").lower():
        return False
    is_asked = any(mark in call.request.body for mark in _ASKS_REASONING)
    return is_asked or deployment.model.startswith("magistral")
