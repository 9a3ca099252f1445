"""`keys:` and `auth:`, who may call; and what the reference has for people and limits."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from portico.config.schema.base import NonEmpty, Section
from portico.types.secret import Secret


class KeyConfig(Section, frozen=True, kw_only=True):
    """A key that clients use: either itself or its SHA-256, so that the file need not hold it."""

    name: Annotated[NonEmpty, Meta(description="What logs and metrics call it; unique.")]
    key: Annotated[
        Secret | None,
        Meta(description="The key itself, at least 16 characters, or `sha256:` and its hash."),
    ] = None
    sha256: Annotated[
        Secret | None, Meta(description="SHA-256 of the key, 64 hexadecimal digits.")
    ] = None
    models: Annotated[
        tuple[NonEmpty, ...],
        Meta(description="Models it may ask for: public names, patterns, `*` for all."),
    ] = ("*",)
    expires_at: Annotated[
        datetime | None,
        Meta(description="When it stops working: ISO 8601; UTC if no zone is given."),
    ] = None
    admin: Annotated[bool, Meta(description="Lets it use the admin interface.")] = False
    team: Annotated[str | None, Meta(description="Team that its use is counted for.")] = None
    priority: Annotated[
        int,
        Meta(
            description="Where calls wait in line (`server.limits.max_in_flight`), the higher "
            "goes first.",
            ge=-100,
            le=100,
        ),
    ] = 0
    user: Annotated[str | None, Meta(description="User that its use is counted for.")] = None
    user_header: Annotated[
        NonEmpty | None,
        Meta(
            description="Header field that names the user of each call, such as "
            "`x-openwebui-user-id`, instead of the body's `user`; for keys of front ends that you "
            "trust to say it. It is recorded, not sent to providers."
        ),
    ] = None

    @property
    def digest(self) -> str:
        """The key's SHA-256 as 64 lower-case hexadecimal digits."""
        if self.sha256 is not None:
            return self.sha256.reveal().strip().lower()
        value = self.key.reveal() if self.key is not None else ""
        if value.startswith("sha256:"):
            return value[7:].strip().lower()
        return hashlib.sha256(value.encode()).hexdigest()

    @property
    def expires_at_s(self) -> float | None:
        """UTC epoch seconds."""
        if self.expires_at is None:
            return None
        when = self.expires_at
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class RbacConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="Roles.",
            extra={"unused": "a key may do what its `models` and `admin` say"},
        ),
    ] = False
    default_role: Annotated[str, Meta(description="Role of a new user.")] = "user"
    admin_roles: Annotated[tuple[str, ...], Meta(description="Roles that may do all.")] = (
        "admin",
        "superuser",
    )


class AuthConfig(Section, frozen=True, kw_only=True):
    enable_jwt: Annotated[
        bool, Meta(description="Accept signed tokens; only with a `jwt_secret`.")
    ] = True
    enable_api_key: Annotated[
        bool,
        Meta(
            description="Ask for a key.",
            extra={"unused": "a key is always asked for: an open gateway spends its owner's money"},
        ),
    ] = True
    jwt_secret: Annotated[
        Secret,
        Meta(
            description="What tokens are signed with, at least 32 bytes.",
            extra={"unused": "signed tokens are not accepted; give clients keys under `keys:`"},
        ),
    ] = Secret("")
    jwt_expiration: Annotated[
        int, Meta(description="Seconds a token lives.", ge=300, le=2_592_000)
    ] = 86_400
    api_key_header: Annotated[
        NonEmpty,
        Meta(
            description="Header with the key; `authorization`, `x-api-key` and `api-key` are "
            "always read.",
            extra={
                "fold": True,
                "unused": "keys are read from authorization, x-api-key and api-key",
                "harmless": ("x-api-key", "api-key"),
            },
        ),
    ] = "authorization"
    api_key_hmac_secret: Annotated[
        Secret | None,
        Meta(
            description="Secret of the stored key hashes.",
            extra={"unused": "key hashes are plain SHA-256"},
        ),
    ] = None
    rbac: Annotated[RbacConfig, Meta(description="The reference's roles.")] = RbacConfig()


class RateLimitConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="Limit clients.",
            extra={"unused": "clients are not limited; providers are, by rpm and tpm"},
        ),
    ] = False
    strategy: Annotated[str, Meta(description="token_bucket, fixed_window or sliding_window.")] = (
        "token_bucket"
    )
    algorithm: Annotated[
        str | None, Meta(description="The same as `strategy`, by its other name.")
    ] = None
    default_rpm: Annotated[int, Meta(description="Requests a minute.", ge=0)] = 1000
    default_tpm: Annotated[int, Meta(description="Tokens a minute.", ge=0)] = 100_000
    requests_per_second: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="Requests a second.")
    ] = None
    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Requests a minute.")
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Tokens a minute.")
    ] = None
    burst_size: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="Burst.")] = None


class SsoConfig(Section, frozen=True, kw_only=True):
    provider: Annotated[str, Meta(description="saml, oidc or oauth2.")] = "oidc"
    client_id: Annotated[str, Meta(description="Client.")] = ""
    client_secret: Annotated[Secret, Meta(description="Its secret.")] = Secret("")
    redirect_url: Annotated[str, Meta(description="Where users return to.")] = ""
    settings: Annotated[dict[str, Any], Meta(description="The provider's own.")] = {}


class EnterpriseConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="The reference's enterprise switch.",
            extra={"unused": "there is no edition to switch on"},
        ),
    ] = False
    sso: Annotated[
        SsoConfig | None,
        Meta(description="Single sign-on.", extra={"unused": "there is no single sign-on"}),
    ] = None
    audit_logging: Annotated[
        bool,
        Meta(description="Audit log.", extra={"unused": "every call is in the journal"}),
    ] = False
    advanced_analytics: Annotated[
        bool, Meta(description="Analytics.", extra={"unused": "see `/metrics` and the journal"})
    ] = False
