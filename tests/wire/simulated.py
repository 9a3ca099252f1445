"""The far ends of dialects that only providers speak, by name; see `test_pairs`."""

from typing import Any, Final

from tests.wire import (
    simulated_bedrock,
    simulated_cohere,
    simulated_invoke,
    simulated_replicate,
    simulated_sagemaker,
    simulated_watsonx,
)

SIMULATED: Final[dict[str, Any]] = {
    end.NAME: end
    for end in (
        simulated_bedrock,
        simulated_cohere,
        simulated_invoke,
        simulated_replicate,
        simulated_sagemaker,
        simulated_watsonx,
    )
}
