"""How long an answer may be, where the client's dialect lets that be left out and Anthropic's does
not.

Other dialects mean as long as the model can. So does this where that is known, but for two things:
older models refuse a limit that does not fit into their context beside the prompt
(https://platform.claude.com/docs/en/build-with-claude/context-windows, 2026-11-23), and thinking is
part of the answer.
"""

from typing import Final

import msgspec

from portico.types.chat import ChatRequest
from portico.wire.effort import MIN_BUDGET, asked_budget, budget_of

DEFAULT_MAX_TOKENS: Final = 8192
"""Room for an answer, apart from thinking, where nothing is known of the model."""
_BYTES_PER_TOKEN: Final = 3
"""Fewer than most texts have: a prompt is rather taken for longer than it is."""


def thinking_room(request: ChatRequest) -> int:
    """The tokens that thinking may take."""
    config = request.thinking
    if config is None:
        return 0
    budget = asked_budget(config)
    return budget_of("high") if budget is None else max(budget, MIN_BUDGET) if budget else 0


def with_limit(
    request: ChatRequest,
    *,
    max_output_tokens: int | None,
    max_input_tokens: int | None,
    prompt_bytes: int,
) -> ChatRequest:
    """The request with a limit, if it has none and the model's is known; never with less room than
    its thinking and a short answer take, unless the model has less itself.
    """
    if request.max_tokens is not None or max_output_tokens is None:
        return request
    limit = max_output_tokens
    if max_input_tokens is not None:
        limit = min(limit, max_input_tokens - prompt_bytes // _BYTES_PER_TOKEN)
    limit = max(limit, thinking_room(request) + DEFAULT_MAX_TOKENS)
    return msgspec.structs.replace(request, max_tokens=min(limit, max_output_tokens))
