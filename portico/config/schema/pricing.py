"""`pricing:`, what tokens cost."""

from typing import Annotated

from msgspec import Meta

from portico.config.schema.base import NonEmpty, Price, Section


class ModelPrice(Section, frozen=True, kw_only=True):
    """USD per million tokens, exact; what is left out keeps the catalog's price."""

    input: Annotated[Price | None, Meta(description="Fresh input tokens.")] = None
    output: Annotated[Price | None, Meta(description="Output tokens.")] = None
    cache_read: Annotated[Price | None, Meta(description="Input read from a cache.")] = None
    cache_write: Annotated[Price | None, Meta(description="Input written to a cache.")] = None
    cache_write_1h: Annotated[
        Price | None, Meta(description="Input written to a cache for an hour.")
    ] = None
    input_audio: Annotated[Price | None, Meta(description="Audio input tokens.")] = None
    cache_read_audio: Annotated[
        Price | None, Meta(description="Audio input read from a cache.")
    ] = None
    input_image: Annotated[Price | None, Meta(description="Image input tokens.")] = None
    reasoning: Annotated[
        Price | None, Meta(description="Reasoning tokens; unset is the price of `output`.")
    ] = None
    output_audio: Annotated[Price | None, Meta(description="Audio output tokens.")] = None
    output_image: Annotated[Price | None, Meta(description="Image output tokens.")] = None


class PricingConfig(Section, frozen=True, kw_only=True):
    source: Annotated[
        NonEmpty | None,
        Meta(
            description="A price file of the reference.",
            extra={"unused": "prices come with Portico; use pricing.models for your own"},
        ),
    ] = None
    models: Annotated[
        dict[str, ModelPrice],
        Meta(
            description="Your prices: by `provider/model` of a deployment, or by a model's name at "
            "every provider."
        ),
    ] = {}
