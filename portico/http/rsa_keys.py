"""RSA keys out of PEM text, by the optional package `cryptography`."""

import hashlib
import sys
from base64 import b64encode

import msgspec

from portico.errors import ConfigError
from portico.providers.jwt import Sign
from portico.types.secret import Secret


class RsaKey(msgspec.Struct, frozen=True):
    """`sign` is RSASSA-PKCS1-v1_5 with SHA-256; `fingerprint` the base64 SHA-256 of the public
    key's DER.
    """

    sign: Sign
    fingerprint: str


def load_rsa_key(
    pem: Secret, what: str, *, passphrase: Secret | None = None, otherwise: str
) -> RsaKey:
    """`what` names the key in errors, `otherwise` how to do without the package."""
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ImportError:
        raise ConfigError(
            f"{what} needs a package that is not installed: "
            f"`{sys.executable} -m pip install cryptography`, or {otherwise}"
        ) from None
    password = passphrase.reveal().encode() if passphrase else None
    try:
        key = serialization.load_pem_private_key(pem.reveal().encode(), password=password)
    except TypeError:
        given = "has no passphrase, but one is given" if passphrase else "needs its passphrase"
        raise ConfigError(f"{what} {given}") from None
    except ValueError:
        hint = ", or its passphrase is wrong" if passphrase else ""
        raise ConfigError(f"{what} is not a PEM key{hint}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(f"{what} is not an RSA key")
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return RsaKey(
        lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
        b64encode(hashlib.sha256(public).digest()).decode(),
    )
