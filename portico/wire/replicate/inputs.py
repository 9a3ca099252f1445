"""What the language models on Replicate call their inputs: facts, by who owns the model.

Each model has a schema of its own. Those of one owner are taken to agree with the ones read on
2026-11-23: https://replicate.com/openai/gpt-5.4/versions/93f5c587…/api,
https://replicate.com/google/gemini-2.5-flash/versions/a441f4c6…/api,
https://replicate.com/meta/meta-llama-3.1-405b-instruct/examples,
https://replicate.com/anthropic/claude-4-sonnet/versions/99e2cf4c…/api and
https://replicate.com/deepseek-ai/deepseek-v3.1/versions/0667b889…/api. What other owners call
theirs was not read: they are asked by Meta's names. How the models of Anthropic and DeepSeek are
told to think differs from one to the next, so they are not.
"""

from typing import Final, Literal

import msgspec


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Names of inputs; `None` is no such input. `system` of `None` puts it before the prompt.

    `images` takes a list, `image` one alone. `messages` holds a conversation as it is; without it
    the turns become one prompt. `stop` is one text, its sequences parted by commas. A limit below
    `least_tokens` is refused.
    """

    system: str | None = "system_prompt"
    max_tokens: str = "max_tokens"
    least_tokens: int = 1
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
    "anthropic": Inputs(image="image", least_tokens=1024),
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
