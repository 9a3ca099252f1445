"""What routing asks of a counter of requests and tokens; `policy.limits.RateWindow` is one."""

from typing import Literal, Protocol

from portico.types.deployment import Limits


class Excess(Protocol):
    @property
    def limit(self) -> Literal["rpm", "tpm", "max_concurrent_requests"]: ...

    @property
    def wait_s(self) -> float | None: ...


class Meter(Protocol):
    """Requests and tokens of the last minute, and whether one more fits."""

    def limit(self, limits: Limits) -> None: ...

    def has_room(self, now: float, tokens: int) -> bool: ...

    def excess(self, now: float, tokens: int) -> Excess | None: ...

    def reserve(self, now: float, tokens: int) -> None: ...

    def settle(self, reserved_at: float, now: float, *, reserved: int, used: int) -> None: ...

    def cancel(self, reserved_at: float, now: float, *, reserved: int) -> None: ...

    def used(self, now: float) -> tuple[int, int]: ...
