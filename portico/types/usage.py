"""Tokens and money, in one normal form with disjoint parts.

A dialect's reader turns what a provider reports into `Usage`; `policy.pricing` turns `Usage` into
`Spend`. Unknown is `None`, never 0.
"""

import msgspec


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one attempt used; no unit is counted in two fields.

    `input_tokens` are fresh text tokens: neither read from nor written to a prompt cache, nor
    audio or image. `output_tokens` are visible text tokens: without reasoning, audio and image
    ones. `input_tokens` and `output_tokens` of `None` mean that nobody said. `reported_total` is
    the provider's own total, where it gave one, to be checked against.
    """

    input_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    cache_read_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int | None = None
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    output_images: int = 0
    input_characters: int = 0
    audio_seconds: float = 0.0
    searches: int = 0
    """Rerank search units or web searches."""
    requests: int = 1
    service_tier: str | None = None
    """`flex`, `priority`, `batch` …, as the provider says it served; `None` is standard."""
    reported_total: int | None = None
    estimated: bool = False

    @property
    def total_input_tokens(self) -> int | None:
        if self.input_tokens is None:
            return None
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
            + self.input_audio_tokens
            + self.cache_read_audio_tokens
            + self.input_image_tokens
        )

    @property
    def total_output_tokens(self) -> int | None:
        if self.output_tokens is None:
            return None
        return (
            self.output_tokens
            + self.reasoning_tokens
            + self.output_audio_tokens
            + self.output_image_tokens
        )


class Spend(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money in integer nano-USD; the parts sum to the total.

    `cost_nanousd` of `None` is *unpriced*: some part that was used has no known price, and
    `unpriced` names those parts.
    """

    cost_nanousd: int | None
    parts: dict[str, int] = {}
    unpriced: tuple[str, ...] = ()


Price = int | tuple[int, int]
"""Nano-USD per unit: whole, or a numerator and a denominator where a unit is finer than one."""
