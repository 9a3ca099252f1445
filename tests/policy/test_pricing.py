"""Hand-computed bills of well-known models, and the rules by which a part is priced or not.

Prices are written out here as the catalog of 2026-11-23 has them, in nano-USD per unit, so that the
sums can be checked by eye and do not move with the catalog.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.policy.pricing import PriceTable, settle, worst_case
from portico.types.usage import Price, Spend, Usage

GPT_4O_MINI: dict[str, Price] = {
    "input": 150, "cache_read": 75, "output": 600,
    "input@priority": 250, "cache_read@priority": 125, "output@priority": 1000,
    "input@batch": 75, "output@batch": 300,
}  # fmt: skip
GPT_5: dict[str, Price] = {
    "input": 1250, "cache_read": 125, "output": 10000,
    "input@flex": 625, "cache_read@flex": (125, 2), "output@flex": 5000,
    "input@priority": 2500, "cache_read@priority": 250, "output@priority": 20000,
}  # fmt: skip
GPT_5_MINI: dict[str, Price] = {
    "input": 250, "cache_read": 25, "output": 2000,
    "input@flex": 125, "cache_read@flex": (25, 2), "output@flex": 1000,
}  # fmt: skip
GPT_5_4: dict[str, Price] = {
    "input": 2500, "input>272000": 5000, "cache_read": 250, "cache_read>272000": 500,
    "output": 15000, "output>272000": 22500,
    "input@priority": 5000, "cache_read@priority": 500, "output@priority": 30000,
}  # fmt: skip
O1: dict[str, Price] = {"input": 15000, "cache_read": 7500, "output": 60000}
O4_MINI: dict[str, Price] = {
    "input": 1100, "cache_read": 275, "output": 4400,
    "input@flex": 550, "cache_read@flex": 138, "output@flex": 2200,
}  # fmt: skip
SONNET: dict[str, Price] = {
    "input": 3000, "cache_read": 300, "cache_write": 3750, "cache_write_1h": 6000,
    "output": 15000, "query": 10_000_000,
    "input@batch": 1500, "cache_read@batch": 150, "cache_write@batch": 1875, "output@batch": 7500,
}  # fmt: skip
OPUS: dict[str, Price] = {
    "input": 5000, "cache_read": 500, "cache_write": 6250, "cache_write_1h": 10000, "output": 25000,
}  # fmt: skip
HAIKU: dict[str, Price] = {"input": 1000, "cache_read": 100, "cache_write": 1250, "output": 5000}
GEMINI_PRO: dict[str, Price] = {
    "input": 1250, "input>200000": 2500, "cache_read": 125, "cache_read>200000": 250,
    "output": 10000, "output>200000": 15000, "input@flex": 625, "output@flex": 5000,
    "query": 35_000_000,
}  # fmt: skip
GEMINI_FLASH: dict[str, Price] = {
    "input": 300, "input_audio": 1000, "cache_read": 30, "cache_read_audio": 100,
    "output": 2500, "reasoning": 2500, "output@flex": 1250, "input@flex": 150,
}  # fmt: skip
GPT_AUDIO: dict[str, Price] = {
    "input": 2500, "input_audio": 32000, "output": 10000, "output_audio": 64000,
}  # fmt: skip
QWEN: dict[str, Price] = {"input": 50, "input>256000": 250, "output": 400, "output>256000": 2000}
GPT_IMAGE: dict[str, Price] = {"input": 5000, "input_image": 10000, "output_image": 40000}
GEMINI_IMAGE: dict[str, Price] = {
    "input": 2000, "output": 12000, "output_image": 120_000, "image": 134_000_000,
}  # fmt: skip
EMBEDDING: dict[str, Price] = {"input": 20, "output": 0}
EMBED_V4: dict[str, Price] = {"input": 120, "input_image": 470, "output": 0}
RERANK: dict[str, Price] = {"input": 0, "output": 0, "query": 2_000_000}
TTS: dict[str, Price] = {"character": 15000}
MINI_TTS: dict[str, Price] = {
    "input": 600, "output": 10000, "output_audio": 12000, "second": 250_000,
}  # fmt: skip
WHISPER: dict[str, Price] = {"second": 100_000}
TRANSCRIBE: dict[str, Price] = {
    "input": 2500, "input_audio": 2500, "output": 10000, "second": 100_000,
}  # fmt: skip
DALL_E: dict[str, Price] = {"image": 40_000_000}
MODERATION: dict[str, Price] = {"input": 0, "output": 0}
WITH_FEE: dict[str, Price] = {"input": 0, "output": 280, "request": 5_000_000}

BILLS = {
    "gpt-4o-mini: 1000 in, 500 out": (
        GPT_4O_MINI, Usage(input_tokens=1000, output_tokens=500),
        {"input": 150_000, "output": 300_000},
    ),
    "gpt-4o-mini: half the prompt from the cache": (
        GPT_4O_MINI, Usage(input_tokens=1024, cache_read_tokens=1024, output_tokens=10),
        {"input": 153_600, "cache_read": 76_800, "output": 6_000},
    ),
    "gpt-4o-mini: priority": (
        GPT_4O_MINI,
        Usage(input_tokens=100, cache_read_tokens=10, output_tokens=10, service_tier="priority"),
        {"input": 25_000, "cache_read": 1_250, "output": 10_000},
    ),
    "gpt-4o-mini: batch": (
        GPT_4O_MINI, Usage(input_tokens=100, output_tokens=10, service_tier="batch"),
        {"input": 7_500, "output": 3_000},
    ),
    "gpt-4o-mini: the default tier by its name": (
        GPT_4O_MINI, Usage(input_tokens=100, output_tokens=10, service_tier="default"),
        {"input": 15_000, "output": 6_000},
    ),
    "gpt-5: reasoning is billed as output": (
        GPT_5, Usage(input_tokens=100, output_tokens=50, reasoning_tokens=200),
        {"input": 125_000, "output": 500_000, "reasoning": 2_000_000},
    ),
    "gpt-5: flex, three cached tokens at 62.5 round up once": (
        GPT_5, Usage(input_tokens=2, cache_read_tokens=3, output_tokens=1, service_tier="flex"),
        {"input": 1_250, "cache_read": 188, "output": 5_000},
    ),
    "gpt-5-mini: flex with reasoning": (
        GPT_5_MINI,
        Usage(input_tokens=8, cache_read_tokens=4, output_tokens=1, reasoning_tokens=64,
              service_tier="flex"),
        {"input": 1_000, "cache_read": 50, "output": 1_000, "reasoning": 64_000},
    ),
    "gpt-5.4: 272,000 tokens are still the lower band": (
        GPT_5_4, Usage(input_tokens=200_000, cache_read_tokens=72_000, output_tokens=1),
        {"input": 500_000_000, "cache_read": 18_000_000, "output": 15_000},
    ),
    "gpt-5.4: one more token moves the whole request": (
        GPT_5_4, Usage(input_tokens=200_001, cache_read_tokens=72_000, output_tokens=1),
        {"input": 1_000_005_000, "cache_read": 36_000_000, "output": 22_500},
    ),
    "o1: reasoning": (
        O1, Usage(input_tokens=10, output_tokens=10, reasoning_tokens=1000),
        {"input": 150_000, "output": 600_000, "reasoning": 60_000_000},
    ),
    "o4-mini: flex": (
        O4_MINI, Usage(input_tokens=10, cache_read_tokens=10, output_tokens=1, service_tier="flex"),
        {"input": 5_500, "cache_read": 1_380, "output": 2_200},
    ),
    "claude-sonnet: writes for five minutes and for an hour": (
        SONNET,
        Usage(input_tokens=10, cache_read_tokens=1000, cache_write_tokens=200,
              cache_write_1h_tokens=100, output_tokens=20),
        {"input": 30_000, "cache_read": 300_000, "cache_write": 750_000,
         "cache_write_1h": 600_000, "output": 300_000},
    ),
    "claude-sonnet: two web searches": (
        SONNET, Usage(input_tokens=10, output_tokens=20, searches=2),
        {"input": 30_000, "output": 300_000, "query": 20_000_000},
    ),
    "claude-opus: only an hour's write": (
        OPUS, Usage(input_tokens=0, cache_write_1h_tokens=50, output_tokens=1),
        {"cache_write_1h": 500_000, "output": 25_000},
    ),
    "claude-haiku: the standard tier by its name": (
        HAIKU,
        Usage(input_tokens=3, cache_write_tokens=4, output_tokens=2, service_tier="standard"),
        {"input": 3_000, "cache_write": 5_000, "output": 10_000},
    ),
    "gemini-pro: above 200,000 tokens": (
        GEMINI_PRO, Usage(input_tokens=150_000, cache_read_tokens=60_000, output_tokens=100),
        {"input": 375_000_000, "cache_read": 15_000_000, "output": 1_500_000},
    ),
    "gemini-pro: an image is text to the bill, a thought is output": (
        GEMINI_PRO,
        Usage(input_tokens=100, input_image_tokens=258, output_tokens=10, reasoning_tokens=5),
        {"input": 125_000, "input_image": 322_500, "output": 100_000, "reasoning": 50_000},
    ),
    "gemini-flash: audio, cached audio": (
        GEMINI_FLASH,
        Usage(input_tokens=10, input_audio_tokens=32, cache_read_audio_tokens=64, output_tokens=4),
        {"input": 3_000, "input_audio": 32_000, "cache_read_audio": 6_400, "output": 10_000},
    ),
    "gemini-flash: reasoning in flex, listed for the standard tier only, is output": (
        GEMINI_FLASH,
        Usage(input_tokens=10, output_tokens=4, reasoning_tokens=6, service_tier="flex"),
        {"input": 1_500, "output": 5_000, "reasoning": 7_500},
    ),
    "gpt-audio: audio both ways": (
        GPT_AUDIO,
        Usage(input_tokens=20, input_audio_tokens=100, output_tokens=10, output_audio_tokens=50),
        {"input": 50_000, "input_audio": 3_200_000, "output": 100_000, "output_audio": 3_200_000},
    ),
    "qwen-flash: the third hundred thousand": (
        QWEN, Usage(input_tokens=300_000, output_tokens=10),
        {"input": 75_000_000, "output": 20_000},
    ),
    "text-embedding-3-small": (
        EMBEDDING, Usage(input_tokens=8), {"input": 160},
    ),
    "embed-v4: an image": (
        EMBED_V4, Usage(input_tokens=2, input_image_tokens=1000),
        {"input": 240, "input_image": 470_000},
    ),
    "rerank-v3.5: one search unit": (RERANK, Usage(searches=1), {"query": 2_000_000}),
    "gpt-image-1: tokens of text in and of an image out": (
        GPT_IMAGE, Usage(input_tokens=12, output_tokens=0, output_image_tokens=4160),
        {"input": 60_000, "output_image": 166_400_000},
    ),
    "gemini-image: the image is charged by its tokens, not again as an image": (
        GEMINI_IMAGE,
        Usage(input_tokens=10, output_tokens=5, output_image_tokens=1120, output_images=1),
        {"input": 20_000, "output": 60_000, "output_image": 134_400_000},
    ),
    "gemini-image: by the image, where nobody counted its tokens": (
        GEMINI_IMAGE, Usage(input_tokens=10, output_tokens=5, output_images=1),
        {"input": 20_000, "output": 60_000, "image": 134_000_000},
    ),
    "dall-e: two images": (DALL_E, Usage(output_images=2), {"image": 80_000_000}),
    "tts-1: characters": (TTS, Usage(input_characters=11), {"character": 165_000}),
    "gpt-4o-mini-tts: tokens, though seconds are known": (
        MINI_TTS,
        Usage(input_tokens=10, output_tokens=0, output_audio_tokens=100, audio_seconds=5.0),
        {"input": 6_000, "output_audio": 1_200_000},
    ),
    "whisper-1: 12.345 seconds": (WHISPER, Usage(audio_seconds=12.345), {"second": 1_234_500}),
    "gpt-4o-transcribe: by the second, where nobody counted tokens": (
        TRANSCRIBE, Usage(audio_seconds=2.0), {"second": 200_000},
    ),
    "gpt-4o-transcribe: by tokens": (
        TRANSCRIBE,
        Usage(input_tokens=0, input_audio_tokens=40, output_tokens=7, audio_seconds=4.0),
        {"input_audio": 100_000, "output": 70_000},
    ),
    "moderation is free, which is a price": (MODERATION, Usage(), {}),
    "moderation that counts tokens": (
        MODERATION, Usage(input_tokens=5, output_tokens=0), {"input": 0},
    ),
    "a fee for each request": (
        WITH_FEE, Usage(input_tokens=7, output_tokens=10),
        {"input": 0, "output": 2_800, "request": 5_000_000},
    ),
    "nothing used costs nothing": (GPT_5, Usage(input_tokens=0, output_tokens=0), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", BILLS)
def test_bills(name: str) -> None:
    prices, usage, parts = BILLS[name]
    assert settle(usage, PriceTable(prices)) == Spend(sum(parts.values()), parts)


UNPRICED = {
    "a model nobody priced": (
        {}, Usage(input_tokens=5, output_tokens=5), {}, ("input", "output"),
    ),
    "a model nobody priced, usage nobody told": ({}, Usage(), {}, ("usage",)),
    "an hour's write is not guessed from five minutes'": (
        HAIKU, Usage(input_tokens=1, cache_write_1h_tokens=9, output_tokens=1),
        {"input": 1_000, "output": 5_000}, ("cache_write_1h",),
    ),
    "audio is not text": (
        GPT_4O_MINI, Usage(input_tokens=1, input_audio_tokens=9, output_tokens=1),
        {"input": 150, "output": 600}, ("input_audio",),
    ),
    "a cached token without a price is not a fresh one": (
        GPT_AUDIO, Usage(input_tokens=1, cache_read_tokens=9, output_tokens=0),
        {"input": 2_500}, ("cache_read",),
    ),
    "a tier the model has no prices for": (
        O1, Usage(input_tokens=1, output_tokens=1, service_tier="scale"),
        {}, ("input@scale", "output@scale"),
    ),
    "a tier without a price for one part": (
        SONNET,
        Usage(input_tokens=1, cache_write_1h_tokens=1, output_tokens=1, service_tier="batch"),
        {"input": 1_500, "output": 7_500}, ("cache_write_1h@batch",),
    ),
    "a tier that does not say what happens above a threshold": (
        GPT_5_4, Usage(input_tokens=300_000, output_tokens=1, service_tier="priority"),
        {}, ("input@priority", "output@priority"),
    ),
    "output that nobody told": (
        GPT_4O_MINI, Usage(input_tokens=10), {"input": 1_500}, ("output",),
    ),
    "input that nobody told": (
        GPT_4O_MINI, Usage(output_tokens=10), {"output": 6_000}, ("input",),
    ),
    "nothing that anybody told": (GPT_4O_MINI, Usage(), {}, ("input", "output")),
    "searches without a price": (
        GPT_4O_MINI, Usage(input_tokens=1, output_tokens=1, searches=1),
        {"input": 150, "output": 600}, ("query",),
    ),
    "speech of a model priced by tokens that nobody counted": (
        MINI_TTS, Usage(input_characters=20), {}, ("character", "input", "output"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNPRICED)
def test_what_has_no_price_is_named_and_never_zero(name: str) -> None:
    prices, usage, parts, unpriced = UNPRICED[name]
    assert settle(usage, PriceTable(prices)) == Spend(None, parts, unpriced)


def test_a_search_costs_the_same_in_every_tier() -> None:
    usage = Usage(input_tokens=1, output_tokens=1, searches=1, service_tier="batch")
    spend = settle(usage, PriceTable(SONNET))
    assert spend.parts == {"input": 1_500, "output": 7_500, "query": 10_000_000}


def test_the_asked_tier_wins_over_the_told_one() -> None:
    usage = Usage(input_tokens=10, output_tokens=0, service_tier="default")
    assert settle(usage, PriceTable(GPT_4O_MINI), tier="batch").cost_nanousd == 750


@pytest.mark.parametrize(
    ("region", "cost"),
    [(None, 18_000), ("us", 19_800), ("eu", 18_000), ("global", 18_000)],
)
def test_a_region_multiplies_tokens_where_the_provider_says_so(
    region: str | None, cost: int
) -> None:
    table = PriceTable(SONNET, {"us": (11, 10)})
    assert settle(Usage(input_tokens=1, output_tokens=1), table, region=region).cost_nanousd == cost


def test_any_region_but_global_and_no_search() -> None:
    table = PriceTable(GEMINI_PRO, {"*": (11, 10)})
    usage = Usage(input_tokens=1, output_tokens=1, searches=1)
    assert settle(usage, table, region="europe-west4").parts == {
        "input": 1_375,
        "output": 11_000,
        "query": 35_000_000,
    }
    assert settle(usage, table, region="global").parts["input"] == 1_250


class TestOperatorsPrices:
    def test_they_are_usd_per_million_exactly(self) -> None:
        table = PriceTable.from_usd_per_million(
            {"input": Decimal("0.15"), "cache_read": Decimal("0.0375"), "output": Decimal("0.6")}
        )
        usage = Usage(input_tokens=10, cache_read_tokens=3, output_tokens=2)
        assert settle(usage, table).parts == {"input": 1_500, "cache_read": 113, "output": 1_200}

    def test_one_replaces_its_component_in_every_tier_and_at_every_size(self) -> None:
        table = PriceTable.from_usd_per_million({"input": Decimal(1)}, base=GPT_5_4)
        for tier in (None, "priority", "scale"):
            usage = Usage(input_tokens=300_000, output_tokens=0, service_tier=tier)
            assert settle(usage, table).cost_nanousd == 300_000_000

    def test_what_they_leave_out_is_the_catalogs(self) -> None:
        table = PriceTable.from_usd_per_million({"input": Decimal(1)}, base=GPT_4O_MINI)
        assert settle(Usage(input_tokens=1, output_tokens=1), table).parts == {
            "input": 1_000,
            "output": 600,
        }

    def test_output_is_reasoning_too_unless_that_is_given(self) -> None:
        usage = Usage(input_tokens=0, output_tokens=1, reasoning_tokens=1)
        base: dict[str, Price] = {"output": 5, "reasoning": 7}
        table = PriceTable.from_usd_per_million({"output": Decimal(2)}, base=base)
        assert settle(usage, table).parts == {"output": 2_000, "reasoning": 2_000}
        apart = PriceTable.from_usd_per_million(
            {"output": Decimal(2), "reasoning": Decimal(3)}, base=base
        )
        assert settle(usage, apart).parts == {"output": 2_000, "reasoning": 3_000}

    def test_free_is_a_price(self) -> None:
        table = PriceTable.from_usd_per_million({"input": Decimal(0), "output": Decimal(0)})
        assert settle(Usage(input_tokens=9, output_tokens=9), table).cost_nanousd == 0


class TestWorstCase:
    def test_all_output_and_input_as_the_dearest_way_in(self) -> None:
        table = PriceTable(SONNET)
        assert worst_case(table, 100, 10) == 100 * 3750 + 10 * 15000
        assert worst_case(table, 100, 10, hour_cache=True) == 100 * 6000 + 10 * 15000

    def test_the_band_of_the_estimate(self) -> None:
        table = PriceTable(GEMINI_PRO)
        assert worst_case(table, 200_000, 1) == 200_000 * 1250 + 10000
        assert worst_case(table, 200_001, 1) == 200_001 * 2500 + 15000

    def test_the_dearer_of_the_asked_tier_and_the_standard_one(self) -> None:
        table = PriceTable(GPT_4O_MINI)
        assert worst_case(table, 10, 10, tier="priority") == 10 * 250 + 10 * 1000
        assert worst_case(table, 10, 10, tier="batch") == 10 * 150 + 10 * 600

    def test_a_region_and_a_fee_are_in_it(self) -> None:
        assert worst_case(PriceTable(SONNET, {"us": (11, 10)}), 10, 0, region="us") == 41_250
        assert worst_case(PriceTable(WITH_FEE), 10, 10) == 5_002_800

    def test_no_price_no_bound(self) -> None:
        assert worst_case(PriceTable.empty(), 10, 10) is None
        assert worst_case(PriceTable({"input": 5}), 10, 10) is None
        assert worst_case(PriceTable({"input": 5}), 10, 0) == 50
        assert worst_case(PriceTable(O1), 10, 10, tier="flex") is None


COUNTS = st.integers(min_value=0, max_value=2_000_000)
PRICES = st.one_of(
    st.integers(min_value=0, max_value=10**6),
    st.tuples(st.integers(min_value=0, max_value=10**9), st.integers(min_value=1, max_value=10**6)),
)
COMPONENTS = (
    "input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "cache_read_audio",
    "input_image", "output", "reasoning", "output_audio", "output_image", "image", "character",
    "second", "query", "request",
)  # fmt: skip
TABLES = st.fixed_dictionaries(dict.fromkeys(COMPONENTS, PRICES)).map(PriceTable)
USAGES = st.builds(
    Usage,
    input_tokens=COUNTS,
    cache_read_tokens=COUNTS,
    cache_write_tokens=COUNTS,
    cache_write_1h_tokens=COUNTS,
    input_audio_tokens=COUNTS,
    cache_read_audio_tokens=COUNTS,
    input_image_tokens=COUNTS,
    output_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    output_audio_tokens=COUNTS,
    output_image_tokens=COUNTS,
    searches=COUNTS,
    requests=st.integers(min_value=0, max_value=3),
)


@given(usage=USAGES, table=TABLES)
def test_a_bill_is_whole_the_sum_of_its_parts_and_never_negative(
    usage: Usage, table: PriceTable
) -> None:
    spend = settle(usage, table)
    assert spend.unpriced == ()
    assert type(spend.cost_nanousd) is int
    assert spend.cost_nanousd == sum(spend.parts.values())
    assert all(type(part) is int and part >= 0 for part in spend.parts.values())


@given(usage=USAGES, table=TABLES, more=COUNTS)
def test_more_of_anything_never_costs_less(usage: Usage, table: PriceTable, more: int) -> None:
    assert usage.output_tokens is not None
    bigger = Usage(
        **{field: getattr(usage, field) for field in usage.__struct_fields__}
        | {"output_tokens": usage.output_tokens + more, "searches": usage.searches + more}
    )
    less, greater = settle(usage, table).cost_nanousd, settle(bigger, table).cost_nanousd
    assert less is not None
    assert greater is not None
    assert greater >= less


@given(
    counts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
    prices=st.fixed_dictionaries(dict.fromkeys(("input", "cache_read", "output"), PRICES)),
)
def test_the_quick_way_and_the_whole_way_agree(
    counts: tuple[int, int, int, int], prices: dict[str, Price]
) -> None:
    """A region of no consequence sends the same usage through the part-by-part way."""
    fresh, cached, visible, thought = counts
    usage = Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        output_tokens=visible,
        reasoning_tokens=thought,
    )
    table = PriceTable(prices)
    assert settle(usage, table) == settle(usage, table, region="nowhere")


@given(usage=USAGES, table=TABLES)
def test_no_text_request_costs_more_than_its_worst_case(usage: Usage, table: PriceTable) -> None:
    text = Usage(
        input_tokens=usage.input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
    total_in, total_out = text.total_input_tokens, text.total_output_tokens
    assert total_in is not None
    assert total_out is not None
    bound = worst_case(table, total_in, total_out, hour_cache=True)
    cost = settle(text, table).cost_nanousd
    assert bound is not None
    assert cost is not None
    assert cost <= bound + len(COMPONENTS)
