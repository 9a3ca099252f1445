"""Where the gateway may connect because a *request* named the address: one policy for all. Pure.

An operator's own addresses (`base_url`, credentials) are not subject to it. Filters like this one
fail in series elsewhere: by what a redirect says, by a name that resolves anew, by odd spellings
of an address. So a URL is parsed strictly, its name is resolved once, every address found is
checked, and the connection goes to a checked address, never to the name (`http/dial.py`).

What is public: https://www.iana.org/assignments/iana-ipv4-special-registry and …-ipv6-… (read
2026-11-23), by Python's `ipaddress`, and IPv4 inside IPv6 by RFC 4291, 3056, 4380, 6052 and 8215.
"""

import ipaddress
import re
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from portico.types.http import Origin

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL: Final = 8192
_MAX_HOST: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_UNQUOTED: Final = "/%:@!$&'()*+,;=~"
_NOT_VISIBLE: Final = re.compile(r"[\x00-\x20\x7f\\]")

METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ),
    )
)
"""Where clouds hand out credentials to whoever is on the machine: no setting opens these."""

_EMBEDDING: Final = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::/96", 0),
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("2002::/16", 80),
    )
)
"""Prefixes of IPv6 addresses that stand for an IPv4 one, and how far up that is."""
_NEVER: Final = tuple(
    map(
        ipaddress.ip_network,
        ("64:ff9b:1::/48", "2001::/32", "100.64.0.0/10", "192.88.99.0/24", "fec0::/10"),
    )
)
"""Not public whatever the version of `ipaddress` says: local NAT64, Teredo, carrier NAT, relays."""


class EgressRefused(Exception):
    """`reason` completes "it …": for the client, so it tells nothing of the inside network.
    `detail` does, for the operator.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail or reason


class EgressRules(msgspec.Struct, frozen=True, kw_only=True):
    """`ports` are those beside the scheme's own. Hosts are names or patterns such as
    `*.example.com`; no `allow_hosts` is any. `allow_networks` are private ones that may be reached.
    """

    allow_http: bool = False
    ports: frozenset[int] = frozenset()
    allow_hosts: tuple[str, ...] = ()
    deny_hosts: tuple[str, ...] = ()
    allow_networks: tuple[Network, ...] = ()

    def check_origin(self, origin: Origin) -> None:
        if origin.scheme != "https" and not self.allow_http:
            raise EgressRefused("is not an https:// address")
        default = 443 if origin.scheme == "https" else 80
        if origin.port != default and origin.port not in self.ports:
            raise EgressRefused(f"names port {origin.port}, which this gateway does not connect to")
        if _matches(origin.host, self.deny_hosts) or (
            self.allow_hosts and not _matches(origin.host, self.allow_hosts)
        ):
            raise EgressRefused("is at a host that this gateway does not fetch from")

    def check_address(self, text: str) -> None:
        """`text` is an address as the resolver gave it."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise EgressRefused(NOT_PUBLIC, f"resolves to {text[:80]!r}") from None
        inner = _innermost(address)
        if inner in METADATA or address in METADATA:
            raise EgressRefused(NOT_PUBLIC, f"resolves to {address}, which hands out credentials")
        if any(inner in network or address in network for network in self.allow_networks):
            return
        if not (_is_public(address) and _is_public(inner)):
            raise EgressRefused(NOT_PUBLIC, f"resolves to {address}, which is not public")


NOT_PUBLIC: Final = "is at a host without a public address"
"""The same words for a name that does not exist: else one could ask for names of the inside."""


def split_url(url: str) -> tuple[Origin, str]:
    """Origin and request target of an http(s) URL; strict, so that nobody else reads it otherwise.

    A fragment is left out, a path's odd characters are percent-encoded.
    """
    if len(url) > MAX_URL:
        raise EgressRefused(f"is longer than {MAX_URL} characters")
    if _NOT_VISIBLE.search(url):
        raise EgressRefused("holds a blank, a control character or a backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EgressRefused("is not a well-formed URL") from None
    if parts.scheme not in ("http", "https"):
        raise EgressRefused("is not an https:// address")
    if "@" in parts.netloc:
        raise EgressRefused("holds a user name or password; leave them out")
    if port == 0 or parts.netloc.endswith(":"):
        raise EgressRefused("is not a well-formed URL")
    host = _host(parts.hostname or "", is_bracketed="[" in parts.netloc)
    origin = Origin(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))
    path = quote(parts.path, safe=_UNQUOTED) or "/"
    query = quote(parts.query, safe=_UNQUOTED + "?[]")
    return origin, f"{path}?{query}" if query else path


def shown(url: str) -> str:
    """What may be said of a URL in errors and logs: paths and queries may hold secrets."""
    try:
        return str(split_url(url)[0])
    except EgressRefused:
        return "the address"


def _host(host: str, *, is_bracketed: bool) -> str:
    """A name in lower case or an address in its one proper spelling."""
    if is_bracketed:
        try:
            return ipaddress.IPv6Address(host if "%" not in host else "").compressed
        except ValueError:
            raise EgressRefused("names an IPv6 address that is none") from None
    if not host.isascii():
        raise EgressRefused("has a host name that is not ASCII; write it as `xn--…`")
    host = host.removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise EgressRefused("has a host name that is none")
    if _NUMBER.fullmatch(labels[-1]):  # resolvers take 2130706433 and 0x7f.1 for addresses
        try:
            return ipaddress.IPv4Address(host).compressed
        except ValueError:
            raise EgressRefused("spells an IPv4 address otherwise than as a.b.c.d") from None
    return host


def _matches(host: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _EMBEDDING:
            if address in network:
                return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network, _ in _EMBEDDING):
            return True  # as public as what it stands for
        if address.scope_id is not None:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not any(address in network for network in _NEVER)
    )
