"""Keys of AWS that a program of the operator prints: `credential_process` of a profile.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html (2026-11-23). The
command comes from the operator's own AWS files and from nowhere else; no shell reads it. It is
started and read in a thread, so that neither holds up the event loop, and has a bounded time and
output. What it writes to standard error is not kept: it may quote what must not be seen.
"""

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamUnavailable
from portico.http.token_request import decoded, moment, text
from portico.types.credential import AwsKeys
from portico.types.secret import Secret

TIMEOUT_S: Final = 60.0
"""Such programs may ask a server elsewhere, but nobody is there to answer a question of theirs."""
MAX_OUTPUT: Final = 64 * 1024


class ProcessKeys:
    """`command` is as the profile has it: words parted as a POSIX shell parts them."""

    def __init__(
        self,
        command: str,
        environ: Mapping[str, str],
        *,
        profile: str,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._who = f"the credential_process of the AWS profile {profile!r}"
        try:
            self._arguments = shlex.split(command)
        except ValueError as problem:
            raise ConfigError(f"{self._who} cannot be read as a command: {problem}") from None
        if not self._arguments:
            raise ConfigError(f"{self._who} names no program")
        self._environ = environ
        self._timeout_s = timeout_s

    async def fetch(self, now: float) -> AwsKeys:
        program = _Program(self._arguments, self._environ, self._timeout_s)
        try:
            status, output = await asyncio.to_thread(program.run)
        except asyncio.CancelledError:
            program.stop()
            raise
        except OSError as problem:
            raise ConfigError(
                f"{self._who} cannot be started ({type(problem).__name__}); give the program's "
                "whole path"
            ) from None
        if program.is_late:
            raise UpstreamUnavailable(
                f"no AWS credentials now: {self._who} gave none within {self._timeout_s:g} s"
            )
        if len(output) > MAX_OUTPUT:
            raise UpstreamAuthentication(
                f"no AWS credentials: {self._who} printed more than {MAX_OUTPUT} bytes"
            )
        if status != 0:
            raise UpstreamAuthentication(
                f"no AWS credentials: {self._who} ended with the status {status}; run it by hand "
                "to see why"
            )
        return _keys(output, self._who)


class _Program:
    """One run; `stop` may be called from another thread, at any time."""

    def __init__(
        self, arguments: Sequence[str], environ: Mapping[str, str], timeout_s: float
    ) -> None:
        self._arguments = arguments
        self._environ = environ
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self.is_late = False

    def run(self) -> tuple[int, bytes]:
        """The exit status and at most `MAX_OUTPUT` + 1 bytes; returns soon after `stop`."""
        with self._lock:
            if self._is_stopped:
                return -signal.SIGKILL, b""
            process = self._process = subprocess.Popen(  # noqa: S603 - the operator's own command
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environ),
                start_new_session=True,
            )
        alarm = threading.Timer(self._timeout_s, self._expire)
        alarm.daemon = True
        alarm.start()
        try:
            assert process.stdout is not None
            output = process.stdout.read(MAX_OUTPUT + 1)
            if len(output) > MAX_OUTPUT:
                self.stop()
            return process.wait(), output
        finally:
            alarm.cancel()
            if process.stdout is not None:
                process.stdout.close()

    def stop(self) -> None:
        """End it, and whatever it has started; harmless when it has ended."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _expire(self) -> None:
        self.is_late = True
        self.stop()


def _keys(output: bytes, who: str) -> AwsKeys:
    answer = decoded(output, who)
    if answer.get("Version") != 1:
        raise UpstreamAuthentication(
            f"no AWS credentials: the answer of {who} is not of version 1, the only one there is"
        )
    token = answer.get("SessionToken")
    expiration = answer.get("Expiration")
    ends = None
    if expiration:
        ends = moment(text(answer, "Expiration", who))
        if ends is None:
            raise UpstreamAuthentication(
                f"no AWS credentials: the answer of {who} has an unreadable `Expiration`"
            )
    return AwsKeys(
        text(answer, "AccessKeyId", who),
        Secret(text(answer, "SecretAccessKey", who)),
        Secret(token) if isinstance(token, str) and token else None,
        ends,
    )
