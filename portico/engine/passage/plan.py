"""How one attempt passes between a client and a provider: as bytes, or through the dialects.

Either way an attempt ends up with the same four things: a request, a tap for its stream, what a
whole answer becomes, and how errors are read. Retries start again from the original.
"""

from portico.engine.conversations import Conversations
from portico.engine.passage import vectors
from portico.engine.passage.counted import Counted, counted
from portico.engine.passage.may_pass import bytes_pass, thinks_in_parts
from portico.engine.passage.straight import Straight, native, straight
from portico.engine.passage.translated import Translated, translated
from portico.engine.passage.vectors import Embedded, Ranked
from portico.engine.snapshot import Target
from portico.types.call import Call
from portico.wire.natives import NATIVES

Passage = Straight | Translated | Counted | Embedded | Ranked
"""`tap` is there if the answer is to be a stream; `content_type` of `None` passes the provider's
on; `passes_errors`: may the provider's own error object go to the client as it is?
"""


def plan(call: Call, target: Target, conversations: Conversations) -> Passage:
    """The passage of one attempt.

    Raises `InvalidRequest` for a body that the client's dialect does not allow, `NotSupported`
    where this provider cannot do what the endpoint is for, and `MediaWanted` where media have to be
    fetched first.
    """
    endpoint = call.endpoint
    if endpoint.operation in ("embedding", "rerank"):
        return vectors.plan(call, target)
    spoken = target.dialect_for(endpoint.dialect)
    provider = target.deployment.provider
    if bytes_pass(call, provider, spoken, conversations) and (
        provider.message_rules is None or not thinks_in_parts(call, target.deployment)
    ):
        send = native if endpoint.dialect in NATIVES else straight
        return send(call, target)
    if endpoint.operation == "count_tokens":
        return counted(call, target, spoken)
    return translated(call, target, spoken, conversations)
