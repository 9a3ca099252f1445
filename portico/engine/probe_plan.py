"""A provider with the health checks that its configuration asks for."""

from msgspec import structs

from portico.config.schema.providers import HealthCheck
from portico.errors import ConfigError
from portico.providers import probes
from portico.types.deployment import ProbePolicy, Provider

_NETWORK = ("http", "https")


def planned(provider: Provider, given: HealthCheck | None) -> Provider:
    """Raises `ConfigError` where there is nothing to ask. What is built in is always well."""
    if given is None or provider.origin.scheme not in _NETWORK:
        return provider
    endpoint = given.endpoint
    if endpoint is not None and not _is_path(endpoint):
        raise ConfigError(
            f"health_check.endpoint: {endpoint!r} is not a path on its host, such as /health."
        )
    if probes.target(provider, endpoint) is None:
        raise ConfigError(
            f"health_check: {provider.type} has no list of models at this address; "
            "give health_check.endpoint, a path on its host."
        )
    policy = ProbePolicy(
        interval_s=given.interval,
        timeout_s=min(given.timeout, given.interval),
        failure_threshold=given.failure_threshold,
        recovery_s=given.recovery_timeout,
        endpoint=endpoint,
        expected_codes=given.expected_codes,
    )
    return structs.replace(provider, probe=policy)


def _is_path(text: str) -> bool:
    return text.startswith("/") and text.isascii() and text.isprintable() and " " not in text
