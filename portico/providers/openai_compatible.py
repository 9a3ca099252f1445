"""Requests to providers that speak OpenAI's protocols: an address, a credential, a path.

Everything about a request that does not change between calls is built once, in `head_prefix`.
"""

from urllib.parse import quote

from portico.types.deployment import Provider

USER_AGENT = "portico"
FORWARDED = (b"openai-beta", b"traceparent", b"tracestate", b"x-client-request-id")
"""The only fields of a client's request that go on to a provider."""


def head_prefix(provider: Provider, path: str) -> bytes:
    """Request line and all fixed fields for one provider and path, up to `content-length: `."""
    target = f"{provider.base_path}{path}"
    fields = [("host", provider.origin.authority), ("user-agent", USER_AGENT)]
    kind, _, name = provider.auth.partition(":")
    if provider.api_key:
        key = provider.api_key.reveal()
        match kind:
            case "bearer":
                fields.append(("authorization", f"Bearer {key}"))
            case "header":
                fields.append((name, key))
            case "query":
                target += f"{'&' if '?' in target else '?'}{name}={quote(key, safe='')}"
            case _:
                pass
    fields += [
        ("content-type", "application/json"),
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
    ]
    taken = {field for field, _ in fields}
    fields += [(field, value) for field, value in provider.headers if field.lower() not in taken]
    lines = "".join(f"{field}: {value}\r\n" for field, value in fields)
    return f"POST {target} HTTP/1.1\r\n{lines}content-length: ".encode("latin-1")


def head(prefix: bytes, body: bytes, forwarded: bytes) -> bytes:
    """The complete head; `forwarded` is a block of field lines or empty."""
    return b"%b%d\r\n%b\r\n" % (prefix, len(body), forwarded)
