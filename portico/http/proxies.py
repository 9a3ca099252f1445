"""`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`: which proxy an origin is reached through. Pure.

The names are honoured in lower case first, as curl does (https://curl.se/docs/manpage.html, section
"Environment", read 2026-11-23). Proxies are spoken to in plain HTTP.
"""

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from portico.errors import ConfigError
from portico.types.http import Origin


class Proxy(msgspec.Struct, frozen=True):
    """`authorization` is the value of `proxy-authorization`, or empty."""

    host: str
    port: int
    authorization: bytes = b""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self})"


class ProxySettings(msgspec.Struct, frozen=True):
    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: tuple[str, ...] = ()

    def proxy_for(self, origin: Origin) -> Proxy | None:
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or any(_matches(entry, origin) for entry in self.exceptions):
            return None
        return proxy


def read_proxies(environ: Mapping[str, str]) -> ProxySettings | None:
    """The settings in `environ`; None if it names no proxy. Raises ConfigError with the
    variable."""
    http = _read_proxy(environ, "http_proxy")
    https = _read_proxy(environ, "https_proxy")
    if http is None and https is None:
        return None
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    exceptions = tuple(entry.strip().lower() for entry in listed.split(",") if entry.strip())
    return ProxySettings(http, https, exceptions)


def _read_proxy(environ: Mapping[str, str], name: str) -> Proxy | None:
    value = environ.get(name) or environ.get(name.upper())
    if not value:
        return None
    parts = urlsplit(value if "://" in value else f"http://{value}")
    try:
        port = parts.port or 80
    except ValueError as error:
        raise ConfigError(f"{name.upper()}: the port is not a number from 1 to 65535") from error
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"{name.upper()}: write it as http://[user:password@]host:port")
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return Proxy(parts.hostname, port, authorization)


def _matches(entry: str, origin: Origin) -> bool:
    """Does one entry of `NO_PROXY` (host, domain, address, network, each with `:port` or not)
    apply?"""
    if entry == "*":
        return True
    host = origin.host.lower()
    if "/" in entry:
        return _is_in_network(host, entry)
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.startswith("[")):
        if int(port) != origin.port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").removeprefix(".")
    return host == entry or host.endswith(f".{entry}")


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
