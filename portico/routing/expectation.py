"""What to expect of a deployment: time to the first event, time per token, share of errors.

Speed is a peak EWMA: a slower sample counts at once, a faster one only as time passes, so a stall
is noticed by the first who meets it. After Finagle's `PeakEwma`
(https://twitter.github.io/finagle/guide/Clients.html, read 2026-11-23).
"""

from math import exp, log

SPEED_TAU_S = 3.0
"""How fast a faster sample pulls the expectation down."""
PER_TOKEN_GAIN = 0.2
_STILL_FRESH_S = -SPEED_TAU_S * log(1.0 - PER_TOKEN_GAIN)
"""Until then time alone would not give a sample more weight than that."""
ERROR_GAIN = 0.25
"""What one result weighs in the share of errors."""
ERROR_TAU_S = 15.0
"""How fast errors are forgotten while nothing is tried."""


class Expectation:
    __slots__ = ("_errors", "_errors_at", "_streamed_at", "per_token_s", "ttft_at", "ttft_s")

    def __init__(self) -> None:
        self.ttft_s: float | None = None
        """Seconds to the first event, or to a whole answer where nothing is streamed; `None` while
        cold."""
        self.ttft_at = 0.0
        self.per_token_s: float | None = None
        self._streamed_at = 0.0
        self._errors = 0.0
        self._errors_at = 0.0

    def errors(self, now: float) -> float:
        """Share of recent attempts that failed, fading while nothing is tried."""
        if self._errors < 0.001:
            return 0.0
        return self._errors * exp((self._errors_at - now) / ERROR_TAU_S)

    def first_event(self, now: float, seconds: float) -> None:
        known = self.ttft_s
        if known is None or seconds >= known:
            self.ttft_s = seconds
        else:
            self.ttft_s = seconds + (known - seconds) * exp((self.ttft_at - now) / SPEED_TAU_S)
        self.ttft_at = now

    def streamed(self, began_at: float, now: float, output_tokens: int) -> None:
        """The rest of a stream, after its first event at `began_at`. The older what is known, the
        more the new one weighs.
        """
        sample = (now - began_at) / output_tokens
        known = self.per_token_s
        if known is None:
            self.per_token_s = sample
        else:
            age = began_at - self._streamed_at
            gain = PER_TOKEN_GAIN if age < _STILL_FRESH_S else 1.0 - exp(-age / SPEED_TAU_S)
            self.per_token_s = known + gain * (sample - known)
        if began_at > self._streamed_at:
            self._streamed_at = began_at

    def whole(self, now: float, seconds: float, output_tokens: int | None) -> None:
        """A whole answer does not say when it began; it says how much slower or faster all went."""
        per_token = self.per_token_s
        if per_token is None or self.ttft_s is None or not output_tokens:
            self.first_event(now, seconds)
            return
        expected = self.ttft_s + per_token * output_tokens
        if expected > 0.0:
            ratio = seconds / expected
            self.first_event(now, self.ttft_s * ratio)
            self.per_token_s = per_token * (1.0 + PER_TOKEN_GAIN * (ratio - 1.0))

    def succeeded(self, now: float) -> None:
        if self._errors:
            self._errors = self.errors(now) * (1.0 - ERROR_GAIN)
            self._errors_at = now

    def forgive(self) -> None:
        """Forget the errors: it has shown that it is well."""
        self._errors = 0.0

    def failed(self, now: float) -> None:
        share = self.errors(now)
        self._errors = share + ERROR_GAIN * (1.0 - share)
        self._errors_at = now
