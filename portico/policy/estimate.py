"""Tokens where a provider reports none: a stated guess, always flagged `estimated`.

Four bytes of JSON text to a token is the usual rule for English in BPE vocabularies
(help.openai.com/en/articles/4936856, read 2026-11-23). It counts the structure of the body too,
which errs towards more; whoever needs exact figures needs a provider that reports them.
"""

from portico.types.usage import Usage

_BYTES_PER_TOKEN = 4


def tokens_of(size_bytes: int) -> int:
    return -(-size_bytes // _BYTES_PER_TOKEN)


def estimated_usage(request_bytes: int, output_tokens: int) -> Usage:
    return Usage(input_tokens=tokens_of(request_bytes), output_tokens=output_tokens, estimated=True)
