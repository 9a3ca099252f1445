"""TLS towards providers: verified contexts that resume sessions. Never an unverified one."""

import ssl
from typing import Any

from portico.errors import ConfigError

_MAX_SESSIONS = 256


class ClientContext(ssl.SSLContext):
    """Verifies certificates, and offers each host the session of its last connection.

    asyncio and uvloop make their TLS objects through `wrap_bio` and cannot be given a session, so
    it is put in here. `remember` is called when a connection has been used: TLS 1.3 sends its
    tickets after the handshake (RFC 8446 section 4.6.1, read 2026-11-23).
    """

    def __init__(self, protocol: int) -> None:
        self._sessions: dict[str, ssl.SSLSession] = {}

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        host = kwargs.get("server_hostname")
        if host is not None:
            kwargs["session"] = self._sessions.get(host)
        return super().wrap_bio(*args, **kwargs)

    def remember(self, host: str, session: ssl.SSLSession | None) -> None:
        if session is not None and (host in self._sessions or len(self._sessions) < _MAX_SESSIONS):
            self._sessions[host] = session


def client_context(ca_file: str | None = None) -> ClientContext:
    """A context that trusts the system's authorities, or only those of `ca_file` (PEM).

    Raises ConfigError if the file cannot be read.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        if ca_file is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"CA file {ca_file}: {error}; give a PEM file of certificates") from error
    return context


def server_context(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """A context for serving HTTPS. Raises ConfigError if the pair cannot be loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate_file, key_file)
    except (OSError, ssl.SSLError) as error:
        where = f"TLS certificate {certificate_file} with key {key_file}"
        raise ConfigError(f"{where}: {error}; give matching PEM files") from error
    return context
