"""AWS Signature Version 4: the fields that prove a request, without any I/O.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
(2026-11-23). Paths are encoded twice, as for every service but S3. Verified in tests against
botocore's signer.
"""

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from portico.types.credential import AwsKeys

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


def sign(
    keys: AwsKeys,
    *,
    method: str,
    authority: str,
    target: str,
    fields: Iterable[tuple[str, str]],
    body: bytes,
    region: str,
    service: str,
    now: float,
) -> list[tuple[str, str]]:
    """The fields to add to `fields`; names are in lower case, `host` is signed besides.

    `target` is path and query as they go on the wire: the path percent-encoded once, the query
    with encoded names and values.
    """
    at = _moment(int(now))
    day = at[:8]
    added = [("x-amz-date", at)]
    if keys.session_token is not None:
        added.append(("x-amz-security-token", keys.session_token.reveal()))
    signed = sorted([("host", authority), *fields, *added])
    names = ";".join([name for name, _ in signed])
    lines = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in signed])
    path, _, query = target.partition("?")
    canonical = (
        f"{method}\n{_canonical_path(path)}\n{_canonical_query(query)}\n{lines}\n{names}\n"
        f"{sha256(body).hexdigest()}"
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    signature = _signature(keys, canonical, at, region, service)
    credential = f"{keys.access_key_id}/{scope}"
    authorization = (
        f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return [*added, ("authorization", authorization)]


def presigned(
    keys: AwsKeys,
    *,
    method: str,
    authority: str,
    query: Iterable[tuple[str, str]],
    region: str,
    service: str,
    now: float,
    expires_s: int,
) -> str:
    """The same proof in the query of `https://<authority>/`, good for `expires_s`: what follows
    `https://`. Nothing but `host` is signed, and no body.
    """
    at = _moment(int(now))
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    pairs = [
        *query,
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Credential", f"{keys.access_key_id}/{scope}"),
        ("X-Amz-Date", at),
        ("X-Amz-Expires", str(expires_s)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if keys.session_token is not None:
        pairs.append(("X-Amz-Security-Token", keys.session_token.reveal()))
    said = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    canonical = (
        f"{method}\n/\n{_canonical_query(said)}\nhost:{authority}\n\nhost\n{sha256().hexdigest()}"
    )
    signature = _signature(keys, canonical, at, region, service)
    return f"{authority}/?{said}&X-Amz-Signature={signature}"


def _signature(keys: AwsKeys, canonical: str, at: str, region: str, service: str) -> str:
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    digest = sha256(canonical.encode()).hexdigest()
    key = _signing_key(keys.secret_access_key.reveal(), at[:8], region, service)
    return hmac.digest(key, f"{_ALGORITHM}\n{at}\n{scope}\n{digest}".encode(), "sha256").hex()


@lru_cache(maxsize=2)
def _moment(second: int) -> str:
    """Many requests share one."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")


@lru_cache(maxsize=256)
def _canonical_path(path: str) -> str:
    """There are as few as there are models, and encoding one takes half as long as signing."""
    return quote(path or "/", safe="/~")


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = (part.partition("=") for part in query.split("&"))
    return "&".join(sorted(f"{name}={value}" for name, _, value in pairs))


@lru_cache(maxsize=32)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The same for a whole day: four hashes that most requests need not make."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
