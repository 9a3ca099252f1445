"""Reasoning effort in words and as a token budget, one into the other.

Dialects disagree on the form, and no provider publishes an exchange rate. Each word here maps to a
budget that maps back to it; `minimal` and `xhigh`, which few models know, map back to a neighbour.
"""

from collections.abc import Sequence
from typing import Final

from portico.types.chat import (
    Effort,
    Home,
    JsonObject,
    Message,
    RedactedThinking,
    Thinking,
    ThinkingConfig,
    ToolResult,
)
from portico.wire.base import Unsupported

MIN_BUDGET: Final = 1024

_BUDGETS: Final[dict[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32000,
    "max": 63999,
}


def budget_of(effort: Effort, max_tokens: int | None = None) -> int:
    """Thinking tokens for an effort, leaving room for an answer of `max_tokens` in all.

    0 is no thinking. Never below MIN_BUDGET otherwise: too little room is for the caller to see.
    """
    budget = _BUDGETS[effort]
    if budget and max_tokens is not None:
        budget = max(MIN_BUDGET, min(budget, max_tokens - max(max_tokens // 5, 1)))
    return budget


def effort_of(budget_tokens: int) -> Effort:
    if budget_tokens <= 0:
        return "none"
    if budget_tokens <= 4096:
        return "low"
    if budget_tokens <= 16384:
        return "medium"
    return "high" if budget_tokens < 48000 else "max"


def asked_effort(config: ThinkingConfig) -> Effort | None:
    """The effort a request asks for, in words; `None` where the model may choose."""
    if config.mode == "disabled":
        return "none"
    if config.effort is not None:
        return config.effort
    if config.budget_tokens is not None:
        return effort_of(config.budget_tokens)
    return None


def name_summary(
    config: ThinkingConfig, dialect: str, unsupported: Unsupported, *, can_omit: bool = False
) -> None:
    """For dialects that show reasoning in one way, if at all: name a wish for another."""
    if config.summary in ("concise", "detailed") or (config.summary == "omitted" and not can_omit):
        unsupported("reasoning.summary", dialect)


def claude_display(config: ThinkingConfig) -> JsonObject:
    """Claude's `thinking.display`: later models keep their thinking to themselves unless told.

    https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking (2026-11-23).
    """
    if config.summary is None:
        return {}
    return {"display": "omitted" if config.summary == "omitted" else "summarized"}


def asked_budget(config: ThinkingConfig, max_tokens: int | None = None) -> int | None:
    """The budget a request asks for, in tokens; 0 is none, `None` where the model may choose."""
    if config.mode == "disabled":
        return 0
    if config.budget_tokens is not None:
        return config.budget_tokens
    return None if config.effort is None else budget_of(config.effort, max_tokens)


def has_lost_thinking(
    messages: Sequence[Message], dialect: str, home: Home | None, *, is_own: bool = False
) -> bool:
    """Is the model to go on with a turn of its own (its calls answered, its words begun) whose
    thinking cannot be shown to it?

    Claude with a thinking budget refuses that, and asks to go on without thinking until the turn is
    over: https://platform.claude.com/docs/en/build-with-claude/extended-thinking (2026-11-23).
    `is_own`: a client that knows the rule is the only one to blame for a turn without any thinking.
    """
    turn = _resumed(messages)
    if turn is None:
        return False
    thoughts = [block for block in turn.content if isinstance(block, Thinking | RedactedThinking)]
    if is_own and not thoughts:
        return False
    states = [block.state for block in thoughts]
    return not any(state is not None and state.is_at_home(dialect, home) for state in states)


def _resumed(messages: Sequence[Message]) -> Message | None:
    """The first message of the turn that is not over: since then the user gave only results."""
    first: Message | None = None
    has_said = has_answered = False
    for message in reversed(messages):
        if message.role == "assistant":
            if has_said and not has_answered:
                break
            first, has_said, has_answered = message, False, False
        else:
            has_said = True
            has_answered |= any(isinstance(block, ToolResult) for block in message.content)
    return first
