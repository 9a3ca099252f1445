"""The tokens of a prompt, asked in one dialect and counted in another.

They are counted by providers that can; whoever cannot raises `NotSupported`, and
`engine.counting` estimates.
"""

import msgspec

from portico.engine.addressing import address
from portico.engine.passage.straight import NOTHING_USED, ReadError
from portico.engine.snapshot import Target
from portico.errors import NotSupported
from portico.providers.base import Task
from portico.types.call import Call
from portico.types.chat import ChatRequest, Home
from portico.types.http import HttpRequest
from portico.types.usage import Usage
from portico.wire.base import Dropped
from portico.wire.natives import COUNTERS, TokenCounter
from portico.wire.tap import Tap


class Counted(msgspec.Struct):
    upstream: HttpRequest
    provider: TokenCounter
    client: TokenCounter
    tap: Tap | None = None
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False

    @property
    def read_error(self) -> ReadError:
        return self.provider.read_error

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        return self.client.write_token_count(self.provider.read_token_count(body)), NOTHING_USED


def counted(call: Call, target: Target, spoken: str) -> Counted:
    deployment = target.deployment
    provider = COUNTERS.get(spoken)
    if provider is None:
        raise NotSupported(
            f"{deployment.id} speaks {spoken}, which cannot be asked for the tokens of a prompt."
        )
    client = COUNTERS[call.endpoint.dialect]
    asked = read_prompt(call)
    wanted = msgspec.structs.replace(asked, model=deployment.model)
    dropped = Dropped()
    home = Home(deployment.provider.name, deployment.model)
    body = provider.write_count_tokens(wanted, unsupported=dropped, home=home)
    call.dropped_params = dropped.names
    task = Task("count_tokens", spoken)
    return Counted(address(call, target, task, body, ()), provider, client)


def read_prompt(call: Call) -> ChatRequest:
    """The prompt whose tokens are to be counted; raises `InvalidRequest`."""
    if call.chat is None:
        model = call.addressed.model if call.addressed is not None else None
        client = COUNTERS[call.endpoint.dialect]
        call.chat = client.read_count_tokens(call.request.body, model=model)
    return call.chat
