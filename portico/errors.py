"""Every error that a client or an operator can meet, as one tree.

Each class knows its HTTP status, its public code, its OpenAI `type`, whether another try may
help, and who is to blame. Dialects turn an instance into bytes (`wire/<dialect>.write_error`);
the engine asks only the class attributes. Retryable is never the default.

    GatewayError
    ├── ClientError                   the caller can mend it
    │   ├── InvalidRequest            400  malformed JSON, wrong type, missing field
    │   │   ├── MalformedHttp         400  ambiguous or broken framing; the connection closes
    │   │   ├── ContextLengthExceeded  400  the prompt is longer than the model takes
    │   │   ├── TokenLimitExceeded    400  more output tokens than may be asked for
    │   │   ├── ContentFiltered       400  a guardrail refused the content
    │   │   └── UnsupportedParameter  400  the chosen dialect cannot express it
    │   ├── AuthenticationFailed      401  no key, unknown key
    │   │   └── KeyExpired            401  a key that was good once
    │   ├── PermissionDenied          403  the key may not do this, or not with this model
    │   ├── NotFound                  404  no such path
    │   │   ├── ModelNotFound         404  no route, alias or pattern has this name
    │   │   └── ResponseNotFound      404  no answer of this id is kept for this key
    │   ├── MethodNotAllowed          405  the path takes another method
    │   ├── RequestTimeout            408  the client was too slow
    │   ├── PayloadTooLarge           413  the body is larger than `server.max_body_size`
    │   ├── UnsupportedMediaType      415  the body is not said to be JSON
    │   ├── RateLimited               429  too many requests or tokens; waiting helps
    │   ├── QuotaExceeded             429  money or tokens are used up; waiting does not help
    │   ├── HeadersTooLarge           431  the request head is larger than the server takes
    │   └── Cancelled                 499  the client left; never sent, only counted
    ├── GatewayFault                  ours to mend
    │   ├── ConfigError               500  the configuration cannot be used; said at start, reload
    │   ├── SerializationFailed       500  an answer could not be written
    │   ├── TransformationFailed      500  a request could not be translated
    │   ├── InternalError             500  a bug; the log has the traceback
    │   ├── NotSupported              501  this route's providers cannot do this operation
    │   │   ├── FeatureDisabled       501  a setting has switched it off
    │   │   └── MediaNotFetched       400  media by URL, for a provider that takes only data
    │   ├── Overloaded                503  more connections or calls than are allowed
    │   ├── Draining                  503  the gateway is shutting down
    │   ├── JournalUnavailable        503  a call that cannot be accounted for is not sent
    │   ├── DeploymentNotFound        404  the deployment that was named does not exist
    │   └── NoDeployment              503  every candidate is excluded right now
    └── UpstreamError                 the provider's doing
        ├── UpstreamRejected          as sent  it said 4xx about the request
        │   ├── UpstreamContextExceeded  as sent  the prompt is too long for this model
        │   ├── UpstreamContentFiltered  as sent  its policy refused the content
        │   ├── UpstreamModelNotFound  404  it does not know the model
        │   └── UpstreamLacksDialect  404  it has no such endpoint, and is asked in another way
        ├── UpstreamAuthentication    502  it refused our credential
        ├── UpstreamRateLimited       429  its limit is reached; waiting helps
        ├── UpstreamQuotaExceeded     429  its account has no credit; waiting does not help
        ├── UpstreamFailed            5xx as sent, else 502  it failed on its side
        ├── UpstreamUnavailable       503  it said 503 or 529
        ├── UpstreamTimeout           504  a timer ran out; the message names it
        ├── UpstreamUnreachable       502  refused, reset, DNS, TLS
        └── UpstreamProtocol          502  not HTTP, not JSON, cut short, too large
"""

from typing import Literal

Blame = Literal["client", "gateway", "upstream"]


class GatewayError(Exception):
    """The root: `message` says what was wrong, where, and how to mend it; it never holds a
    secret.
    """

    status: int = 500
    code: str = "internal_error"
    type: str = "server_error"
    retryable: bool = False
    blame: Blame = "gateway"
    body: bytes | None = None
    """The provider's own JSON, where it may be passed on as it is; else the dialect writes one."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        if status is not None:
            self.status = status
        if code is not None:
            self.code = code


class ClientError(GatewayError):
    status = 400
    code = "invalid_request"
    type = "invalid_request_error"
    blame: Blame = "client"


class InvalidRequest(ClientError):
    pass


class MalformedHttp(InvalidRequest):
    code = "malformed_http"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class TokenLimitExceeded(InvalidRequest):
    code = "token_limit_exceeded"


class ContentFiltered(InvalidRequest):
    code = "content_filter"


class UnsupportedParameter(InvalidRequest):
    code = "unsupported_parameter"


class AuthenticationFailed(ClientError):
    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class KeyExpired(AuthenticationFailed):
    code = "expired_api_key"


class PermissionDenied(ClientError):
    status = 403
    code = "permission_denied"
    type = "permission_error"


class NotFound(ClientError):
    status = 404
    code = "unknown_url"


class ModelNotFound(NotFound):
    code = "model_not_found"


class ResponseNotFound(NotFound):
    code = "response_not_found"


class MethodNotAllowed(ClientError):
    """`allow` lists the methods that the path does take, for the `allow` header."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class RequestTimeout(ClientError):
    status = 408
    code = "request_timeout"
    type = "timeout_error"


class PayloadTooLarge(ClientError):
    status = 413
    code = "request_too_large"


class UnsupportedMediaType(ClientError):
    status = 415
    code = "unsupported_media_type"


class RateLimited(ClientError):
    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"
    retryable = True


class QuotaExceeded(ClientError):
    status = 429
    code = "insufficient_quota"
    type = "insufficient_quota"


class HeadersTooLarge(ClientError):
    status = 431
    code = "request_headers_too_large"


class Cancelled(ClientError):
    status = 499
    code = "cancelled"
    type = "cancelled"


class GatewayFault(GatewayError):
    pass


class ConfigError(GatewayFault):
    code = "configuration_error"


class SerializationFailed(GatewayFault):
    code = "serialization_error"


class TransformationFailed(GatewayFault):
    code = "transformation_error"


class InternalError(GatewayFault):
    pass


class NotSupported(GatewayFault):
    status = 501
    code = "not_supported"
    type = "invalid_request_error"
    blame: Blame = "client"


class FeatureDisabled(NotSupported):
    code = "feature_disabled"


class MediaNotFetched(NotSupported):
    status = 400
    code = "media_not_fetched"


class Overloaded(GatewayFault):
    status = 503
    code = "server_is_overloaded"
    type = "service_unavailable_error"
    retryable = True


class Draining(GatewayFault):
    status = 503
    code = "server_is_shutting_down"
    type = "service_unavailable_error"
    retryable = True


class JournalUnavailable(GatewayFault):
    status = 503
    code = "journal_unavailable"
    type = "service_unavailable_error"


class DeploymentNotFound(GatewayFault):
    status = 404
    code = "deployment_not_found"
    type = "invalid_request_error"
    blame: Blame = "client"


class NoDeployment(GatewayFault):
    status = 503
    code = "no_deployment_available"
    type = "service_unavailable_error"
    retryable = True


class UpstreamError(GatewayError):
    """What a provider did wrong; `upstream_status` is what it answered, if it answered at all."""

    status = 502
    code = "upstream_error"
    type = "server_error"
    blame: Blame = "upstream"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        code: str | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(
            message, param=param, retry_after_s=retry_after_s, status=status, code=code
        )
        self.upstream_status = upstream_status


class UpstreamRejected(UpstreamError):
    status = 400
    code = "invalid_request"
    type = "invalid_request_error"
    blame: Blame = "client"


class UpstreamContextExceeded(UpstreamRejected):
    code = "context_length_exceeded"


class UpstreamContentFiltered(UpstreamRejected):
    code = "content_filter"


class UpstreamModelNotFound(UpstreamRejected):
    status = 404
    code = "model_not_found"


class UpstreamLacksDialect(UpstreamRejected):
    """Never told to a client: the same deployment is asked again in its usual dialect."""

    status = 404
    code = "dialect_not_offered"


class UpstreamAuthentication(UpstreamError):
    code = "upstream_authentication"


class UpstreamRateLimited(UpstreamError):
    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"
    retryable = True


class UpstreamQuotaExceeded(UpstreamError):
    status = 429
    code = "insufficient_quota"
    type = "insufficient_quota"


class UpstreamFailed(UpstreamError):
    retryable = True


class UpstreamUnavailable(UpstreamError):
    status = 503
    code = "upstream_unavailable"
    type = "service_unavailable_error"
    retryable = True


class UpstreamTimeout(UpstreamError):
    """`timer` names the setting that ran out, such as `first_byte` or `total`; or it is `upstream`,
    when the provider said 408.
    """

    status = 504
    code = "timeout"
    type = "timeout_error"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        timer: str,
        retry_after_s: float | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, upstream_status=upstream_status)
        self.timer = timer


class UpstreamUnreachable(UpstreamError):
    """`sent` says whether any byte of the request may have reached the provider."""

    code = "upstream_unreachable"
    retryable = True

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class UpstreamProtocol(UpstreamError):
    """`is_cut`: an answer had begun, and the connection broke."""

    code = "upstream_protocol_error"
    retryable = True
    is_cut: bool = False
