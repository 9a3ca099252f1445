"""A canonical request as the `input` of a prediction.

https://replicate.com/docs/topics/predictions/create-a-prediction (2026-11-23). Where a model takes
a prompt and no messages, a conversation becomes one text in which each turn says whose it is.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from portico.types.chat import (
    ChatRequest,
    DataSource,
    FileSource,
    Home,
    Image,
    JsonObject,
    MediaSource,
    Message,
    Text,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.effort import asked_budget, asked_effort, name_summary
from portico.wire.json_io import encode
from portico.wire.replicate.inputs import Inputs, inputs_of

NAME: Final = "replicate"

SPEAKERS: Final = {"user": "User", "assistant": "Assistant"}
_INSTRUCTIONS: Final = frozenset({"system", "developer"})


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    names = inputs_of(request.model)
    said: JsonObject = {}
    _write_prompt(request.messages, names, said, unsupported)
    if request.max_tokens is not None:
        if request.max_tokens < names.least_tokens:
            unsupported("max_tokens", NAME)
        said[names.max_tokens] = max(request.max_tokens, names.least_tokens)
    _write_sampling(request, names, said, unsupported)
    _write_thinking(request, names, said, unsupported)
    if request.stop:
        if names.stop is not None and not any("," in stop for stop in request.stop):
            said[names.stop] = ",".join(request.stop)
        else:
            unsupported("stop", NAME)
    if request.verbosity is not None:
        if names.verbosity is not None:
            said[names.verbosity] = request.verbosity
        else:
            unsupported("verbosity", NAME)
    _name_the_rest(request, unsupported)
    written: JsonObject = {"input": said}
    if request.stream:
        written["stream"] = True
    return encode(written)


def _write_prompt(
    messages: tuple[Message, ...], names: Inputs, said: JsonObject, unsupported: Unsupported
) -> None:
    pictures: list[MediaSource] = []
    turns = [(m.role, _words(m, pictures, unsupported)) for m in messages]
    system = "\n\n".join([text for role, text in turns if role in _INSTRUCTIONS and text])
    spoken = [turn for turn in turns if turn[0] not in _INSTRUCTIONS]
    if names.messages is not None and len(spoken) != 1:
        roles = [("system" if role in _INSTRUCTIONS else role, text) for role, text in turns]
        said[names.messages] = [{"role": role, "content": text} for role, text in roles]
    else:
        prompt = _prompt(spoken)
        if system and names.system is None:
            prompt = f"{system}\n\n{prompt}"
        said["prompt"] = prompt
        if system and names.system is not None:
            said[names.system] = system
    _write_pictures(pictures, names, said, unsupported)


def _prompt(turns: Sequence[tuple[str, str]]) -> str:
    """One turn is the prompt itself; several are told apart, and the model's is to come."""
    if len(turns) == 1 and turns[0][0] == "user":
        return turns[0][1]
    told = [f"{SPEAKERS[role]}: {text}" for role, text in turns]
    if not turns or turns[-1][0] == "user":
        told.append(f"{SPEAKERS['assistant']}:")
    return "\n\n".join(told)


def _words(message: Message, pictures: list[MediaSource], unsupported: Unsupported) -> str:
    texts: list[str] = []
    for block in message.content:
        match block:
            case Text(text):
                texts.append(text)
                if block.cache is not None:
                    unsupported("cache_control", NAME)
            case Image(FileSource()):
                unsupported("image.file_id", NAME)
            case Image(source):
                pictures.append(source)
            case _:
                unsupported(f"content.{block.__struct_config__.tag}", NAME)
    if message.name is not None:
        unsupported("messages.name", NAME)
    drop_extra(message.extra, NAME, unsupported, "messages.")
    return "\n".join(texts)


def _write_pictures(
    pictures: list[MediaSource], names: Inputs, said: JsonObject, unsupported: Unsupported
) -> None:
    if not pictures:
        return
    urls = [_url(source) for source in pictures]
    if names.images is not None:
        said[names.images] = urls
    elif names.image is not None:
        said[names.image] = urls[-1]
        if len(urls) > 1:
            unsupported("content.image", NAME)
    else:
        unsupported("content.image", NAME)


def _url(source: MediaSource) -> str:
    if isinstance(source, DataSource):
        return f"data:{source.media_type};base64,{source.data}"
    return source.file_id if isinstance(source, FileSource) else source.url


def _write_sampling(
    request: ChatRequest, names: Inputs, said: JsonObject, unsupported: Unsupported
) -> None:
    for field, value in msgspec.structs.asdict(request.sampling).items():
        if value is None or (field == "n" and value == 1):
            continue
        if field in names.sampling:
            said[field] = value
        else:
            unsupported(field, NAME)


def _write_thinking(
    request: ChatRequest, names: Inputs, said: JsonObject, unsupported: Unsupported
) -> None:
    config = request.thinking
    if config is None:
        return
    if names.thinking is not None:
        name_summary(config, NAME, unsupported)
    match names.thinking:
        case "effort":
            effort = asked_effort(config)
            if effort is not None:
                said["reasoning_effort"] = "xhigh" if effort == "max" else effort
        case "budget":
            budget = asked_budget(config, request.max_tokens)
            if budget is None:
                said["dynamic_thinking"] = True
            else:
                said["thinking_budget"] = budget
        case None:
            unsupported("thinking", NAME)


def _name_the_rest(request: ChatRequest, unsupported: Unsupported) -> None:
    for field, is_said in _unsayable(request):
        if is_said:
            unsupported(field, NAME)
    drop_extra(request.extra, NAME, unsupported)


def _unsayable(request: ChatRequest) -> Iterable[tuple[str, bool]]:
    format = request.response_format
    yield "tools", bool(request.tools)
    yield "response_format", format is not None and format.type != "text"
    yield "modalities", bool(request.modalities) and request.modalities != ("text",)
    yield "service_tier", request.service_tier is not None
    yield "user", request.user is not None
    yield "metadata", request.metadata is not None
    yield "prompt_cache_key", request.prompt_cache_key is not None
    yield "cache_control", request.cache is not None
