"""What the language models on Replicate call their inputs: facts, by who owns the model.

Each model has a schema of its own, and those of one owner agree:
https://replicate.com/openai/gpt-5.4/versions/93f5c587…/api,
https://replicate.com/google/gemini-2.5-flash/versions/a441f4c6…/api,
https://replicate.com/meta/meta-llama-3-70b-instruct/api/schema,
https://replicate.com/anthropic/claude-4.5-sonnet/api/schema (2026-11-23). An owner who is not
listed is taken to follow Meta's names, as most do.
"""

from typing import Final, Literal

import msgspec


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Names of inputs; `None` is no such input. `system` of `None` puts it before the prompt.

    `images` takes a list, `image` one alone. `messages` holds a conversation as it is; without it
    the turns become one prompt. `stop` is one text, its sequences parted by commas.
    """

    system: str | None = "system_prompt"
    max_tokens: str = "max_tokens"
    sampling: frozenset[str] = frozenset()
    messages: str | None = None
    images: str | None = None
    image: str | None = None
    stop: str | None = None
    thinking: Literal["effort", "budget"] | None = None
    verbosity: str | None = None


_USUAL: Final = Inputs(
    sampling=frozenset({"temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty"}),
    stop="stop_sequences",
)
_BY_OWNER: Final[dict[str, Inputs]] = {
    "anthropic": Inputs(image="image"),
    "deepseek-ai": Inputs(
        system=None,
        sampling=frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"}),
    ),
    "google": Inputs(
        system="system_instruction",
        max_tokens="max_output_tokens",
        sampling=frozenset({"temperature", "top_p"}),
        images="images",
        thinking="budget",
    ),
    "openai": Inputs(
        max_tokens="max_completion_tokens",
        sampling=frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"}),
        messages="messages",
        images="image_input",
        thinking="effort",
        verbosity="verbosity",
    ),
}


def inputs_of(model: str) -> Inputs:
    """`model` as deployments name it: `owner/name`, with `:version` or after `deployments/`."""
    return _BY_OWNER.get(model.removeprefix("deployments/").partition("/")[0], _USUAL)
