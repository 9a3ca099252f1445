"""Predictions of language models on Replicate: the module that satisfies `ProviderDialect`.

https://replicate.com/docs/reference/http (2026-11-23). A prediction takes more requests than one:
`providers.replicate` says which, and `http.steps` makes them.
"""

from portico.wire.replicate.answer import read_error, read_response
from portico.wire.replicate.request import NAME, write_request
from portico.wire.replicate.stream_reader import stream_reader

__all__ = ["NAME", "read_error", "read_response", "stream_reader", "write_request"]
