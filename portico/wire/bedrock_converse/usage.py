"""Usage of Converse: `inputTokens` leaves out what was read from or written to the cache.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html and
…/userguide/prompt-caching.html (2026-11-23).
"""

import msgspec

from portico.types.usage import Usage


class _CacheDetail(msgspec.Struct, rename="camel"):
    ttl: str | None = None
    input_tokens: int | None = None


class UsageFields(msgspec.Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[_CacheDetail] | None = None


class ServiceTier(msgspec.Struct):
    type: str | None = None


def normal(fields: UsageFields, tier: ServiceTier | None) -> Usage:
    written = fields.cache_write_input_tokens or 0
    written_1h = sum(
        detail.input_tokens or 0 for detail in fields.cache_details or () if detail.ttl == "1h"
    )
    served = tier.type if tier is not None else None
    return Usage(
        input_tokens=fields.input_tokens,
        cache_read_tokens=fields.cache_read_input_tokens or 0,
        cache_write_tokens=max(written - written_1h, 0),
        cache_write_1h_tokens=written_1h,
        output_tokens=fields.output_tokens,
        service_tier=None if served == "default" else served,
        reported_total=fields.total_tokens,
    )
