"""Embeddings by SageMaker's InvokeEndpoint: OpenAI's shape, from a container that serves vectors.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
(2026-11-23). The endpoint is in the path, so the body names no model; errors are SageMaker's.
"""

from typing import Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.wire.base import Unsupported
from portico.wire.embeddings import openai
from portico.wire.embeddings.base import refuse_input

NAME: Final = "sagemaker_embed"
MAX_INPUTS: Final = None


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    if not all(isinstance(item, str) for item in request.inputs):
        refuse_input(NAME)
    return openai.write_request(msgspec.structs.replace(request, model=""), unsupported=unsupported)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return openai.read_list(body, NAME)
