"""Whatever the bytes: every reader says what it read or raises a declared error, and soon.

The samples are drawn with fixed seeds, so that a failure comes again; `scripts/fuzz` draws on.
"""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from tests.fuzz.mutations import damaged, dump, event_changed, inflated, long_streams, one
from tests.fuzz.readers import FIXTURES, readers, run

READERS = sorted(readers())
LIMIT_S = 0.1
"""CPU time for each step of a reader, on any input here; the largest have 64 KiB."""
LARGE = 64 * 1024
SAMPLES = 150
LARGE_SAMPLES = 10


def check(name: str, data: bytes, what: str) -> None:
    """CPU time and not that of the clock, and the best of three: a busy machine must not fail."""
    reader = readers()[name]
    seconds = run(reader, data)
    for _ in range(2):
        if seconds > LIMIT_S:
            seconds = min(seconds, run(reader, data))
    assert seconds <= LIMIT_S, f"{name}: {seconds:.3f} s for {len(data)} bytes ({what})"


@pytest.mark.parametrize("name", READERS)
def test_good_input_is_read(name: str) -> None:
    seeds = readers()[name].seeds
    assert seeds
    for seed in seeds:
        check(name, seed, "a seed")


@pytest.mark.parametrize("name", READERS)
def test_input_that_is_nearly_good_is_read_or_refused(name: str) -> None:
    rng = random.Random(name)
    reader = readers()[name]
    mutated = _mutated_json if reader.is_json else _mutated_text
    for _ in range(SAMPLES):
        data = mutated(rng.choice(reader.seeds), rng)
        try:
            check(name, data, "mutated")
        except Exception as error:
            error.add_note(f"{name} was given {data[:2000]!r}")
            raise


def _mutated_json(seed: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return damaged(seed, rng)
    value = one(json.loads(seed), rng)
    return dump(one(value, rng) if rng.random() < 0.3 else value)


def _mutated_text(seed: bytes, rng: random.Random) -> bytes:
    data = event_changed(seed, rng)
    return event_changed(data, rng) if rng.random() < 0.3 else data


@pytest.mark.parametrize("name", READERS)
def test_large_input_takes_no_more_than_its_share_of_time(name: str) -> None:
    rng = random.Random(name)
    reader = readers()[name]
    if reader.is_json:
        seeds = rng.sample(reader.seeds, min(3, len(reader.seeds)))
        large = [grown for seed in seeds for grown in inflated(json.loads(seed), LARGE)]
        for how, value in rng.sample(large, min(LARGE_SAMPLES, len(large))):
            check(name, dump(value), how)
        return
    for seed in rng.sample(reader.seeds, min(2, len(reader.seeds))):
        for how, data in long_streams(seed, LARGE, rng):
            check(name, data, how)


def test_every_dialect_with_fixtures_has_readers() -> None:
    missing = [
        folder.name
        for folder in FIXTURES.iterdir()
        if folder.is_dir() and not any(name.endswith(f" {folder.name}") for name in READERS)
    ]
    assert missing == []


# What was found by these, and is to stay mended.


def many(pattern: bytes, count: int) -> bytes:
    return b",".join(pattern % number for number in range(count))


def chat(fields: bytes) -> bytes:
    return b'{"model":"m","messages":[{"role":"user","content":"hi"}],%b}' % fields


def stream(*chunks: bytes) -> bytes:
    return b"".join(b"data: %b\n\n" % chunk for chunk in chunks)


SUPPORTS = b'{"segment":{"startIndex":0,"endIndex":1},"groundingChunkIndices":[%b]}'
FOUND: dict[str, tuple[str, Callable[[], bytes]]] = {
    "fields that nobody knows": ("request openai_chat", lambda: chat(many(b'"k%d":1', 6000))),
    "keywords that nobody knows": (
        "request anthropic_messages",
        lambda: (
            b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}],'
            b'"tools":[{"name":"t","input_schema":{"type":"object",%b}}]}' % many(b'"k%d":1', 6000)
        ),
    ),
    "references to something large": (
        "request gemini_generate",
        lambda: (
            b'{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":'
            b'"t","parametersJsonSchema":{"$defs":{"A":{"properties":{%b}}},"properties":{%b}}}]}]}'
            % (many(b'"k%d":{"type":"string"}', 1000), many(b'"p%d":{"$ref":"#/$defs/A"}', 1000))
        ),
    ),
    "a count of many digits": (
        "request gemini_generate",
        lambda: (
            b'{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"responseSchema":'
            b'{"type":"ARRAY","minItems":"%b"}}}' % (b"9" * 5000)
        ),
    ),
    "allowed tools that are no list": (
        "request openai_chat",
        lambda: chat(b'"tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":1}}'),
    ),
    "a time that is none": (
        "answer openai_chat",
        lambda: b'{"id":"x","created":9223372036854775808,"choices":[{"message":{"content":"a"}}]}',
    ),
    "an item without a type": (
        "answer openai_responses",
        lambda: (
            b'{"id":"x","status":"completed","output":[{"id":"a"},{"type":"message","role":'
            b'"assistant","content":[{"type":"output_text","text":"a","logprobs":[{"token":"a"}]}]}]}'
        ),
    ),
    "parts that are looked at whole": (
        "stream gemini_generate",
        lambda: stream(
            b'{"candidates":[{"content":{"parts":[%b]},"finishReason":"STOP"}]}'
            % b",".join([b'{"inlineData":{"mimeType":"image/png","data":"aGk="}}'] * 1100)
        ),
    ),
    "citations in a stream": (
        "stream gemini_generate",
        lambda: stream(
            b'{"candidates":[{"content":{"parts":[{"text":"hello"}]},"finishReason":"STOP",'
            b'"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[%b]'
            b"}}]}" % (SUPPORTS % b",".join([b"0"] * 8000))
        ),
    ),
    "log probabilities in a stream": (
        "stream openai_chat",
        lambda: stream(
            *[
                b'{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[%b]}}]}'
                % b",".join([b'{"token":"a","logprob":-1}'] * 4)
            ]
            * 400,
            b'{"choices":[{"delta":{},"finish_reason":"stop"}]}',
            b"[DONE]",
        ),
    ),
}


@pytest.mark.parametrize(("name", "make"), FOUND.values(), ids=FOUND)
def test_what_was_found_stays_mended(name: str, make: Callable[[], bytes]) -> None:
    check(name, make(), "found before")


def test_cases_take_their_time_to_be_wrong() -> None:
    """The clock here is CPU time of steps: a reader that works between them is caught."""

    def steps(data: bytes) -> Iterator[None]:
        yield
        sum(range(200_000))
        yield

    slow = type(readers()[READERS[0]])((b"",), steps)
    assert run(slow, b"") > 0.0005
