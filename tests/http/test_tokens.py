"""How a credential is held: fetched once, refreshed ahead, never awaited in vain."""

import asyncio

import pytest

from portico.errors import UpstreamUnavailable
from portico.http.tokens import Held, find_source
from portico.types.credential import AccessToken, AwsKeys, Credential
from portico.types.deployment import Provider
from portico.types.http import Origin
from portico.types.secret import Secret
from tests.http.harness import until
from tests.http.token_server import NO_FILES, run, serving


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Gives tokens `t1`, `t2` … that live for `life_s`; waits at `gate` if it is shut."""

    def __init__(self, life_s: float | None = 3600.0) -> None:
        self.life_s = life_s
        self.fetched = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, now: float) -> Credential:
        self.fetched += 1
        name = f"t{self.fetched}"
        await self.gate.wait()
        if self.fails:
            raise UpstreamUnavailable("no credential now")
        ends = None if self.life_s is None else now + self.life_s
        return AccessToken(Secret(name), ends)


def name(credential: Credential | None) -> str | None:
    if credential is None:
        return None
    assert isinstance(credential, AccessToken)
    return credential.token.reveal()


def test_a_credential_is_fetched_once_for_all_who_wait() -> None:
    async def test() -> None:
        source = Source()
        held = Held(source, Clock())
        assert held.current() is None
        got = await asyncio.gather(*(held.fresh() for _ in range(20)))
        assert {name(one) for one in got} == {"t1"}
        assert (source.fetched, name(held.current())) == (1, "t1")
        await held.close()

    run(test)


def test_near_its_end_the_old_one_serves_while_the_new_one_is_fetched() -> None:
    async def test() -> None:
        clock, source = Clock(), Source(3600.0)
        held = Held(source, clock)
        await held.fresh()
        clock.now += 3600 - 301
        assert (name(held.current()), source.fetched) == ("t1", 1)
        source.gate.clear()
        clock.now += 2
        assert name(held.current()) == "t1"
        assert name(await held.fresh()) == "t1"
        await until(lambda: source.fetched == 2)
        source.gate.set()
        await until(lambda: name(held.current()) == "t2")
        assert source.fetched == 2
        await held.close()

    run(test)


def test_a_short_life_is_refreshed_in_its_last_fifth() -> None:
    async def test() -> None:
        clock, source = Clock(), Source(100.0)
        held = Held(source, clock)
        await held.fresh()
        clock.now += 79
        assert name(held.current()) == "t1"
        await asyncio.sleep(0)
        assert source.fetched == 1
        clock.now += 2
        assert name(held.current()) == "t1"
        await until(lambda: source.fetched == 2)
        await held.close()

    run(test)


def test_just_before_the_end_nobody_gets_the_old_one() -> None:
    async def test() -> None:
        clock, source = Clock(), Source(3600.0)
        held = Held(source, clock)
        await held.fresh()
        clock.now += 3600 - 14
        assert held.current() is None
        assert name(await held.fresh()) == "t2"
        await held.close()

    run(test)


def test_a_failed_refresh_is_tried_again_after_a_while_and_harms_nobody() -> None:
    async def test() -> None:
        clock, source = Clock(), Source(3600.0)
        held = Held(source, clock)
        await held.fresh()
        source.fails = True
        clock.now += 3400
        assert name(held.current()) == "t1"
        await until(lambda: source.fetched == 2)
        await asyncio.sleep(0)
        clock.now += 9
        assert name(await held.fresh()) == "t1"
        await asyncio.sleep(0)
        assert source.fetched == 2
        source.fails = False
        clock.now += 2
        assert name(held.current()) == "t1"
        await until(lambda: name(held.current()) == "t3")
        await held.close()

    run(test)


def test_without_any_credential_the_failure_is_told_and_the_next_request_tries_again() -> None:
    async def test() -> None:
        source = Source()
        source.fails = True
        held = Held(source, Clock())
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="no credential now"):
                await held.fresh()
        source.fails = False
        assert name(await held.fresh()) == "t3"
        await held.close()

    run(test)


def test_who_leaves_does_not_take_the_fetch_along() -> None:
    async def test() -> None:
        source = Source()
        source.gate.clear()
        held = Held(source, Clock())
        first = asyncio.create_task(held.fresh())
        second = asyncio.create_task(held.fresh())
        await until(lambda: source.fetched == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        source.gate.set()
        assert name(await second) == "t1"
        assert source.fetched == 1
        await held.close()

    run(test)


def test_what_never_expires_is_fetched_once() -> None:
    async def test() -> None:
        clock, source = Clock(), Source(None)
        held = Held(source, clock)
        await held.fresh()
        clock.now += 10**9
        assert name(held.current()) == "t1"
        await held.close()

    run(test)


def test_a_credential_that_is_born_expired_is_still_handed_out() -> None:
    """The clock of this machine may be wrong; the provider is the judge of it."""

    async def test() -> None:
        source = Source(-5.0)
        held = Held(source, Clock())
        assert name(await held.fresh()) == "t1"
        assert name(await held.fresh()) == "t2"
        await held.close()

    run(test)


def test_a_refused_credential_is_replaced_once() -> None:
    async def test() -> None:
        source = Source()
        held = Held(source, Clock())
        old = await held.fresh()
        held.refused(old)
        assert held.current() is None
        assert name(await held.fresh()) == "t2"
        held.refused(old)
        assert name(held.current()) == "t2"
        await held.close()

    run(test)


def test_closing_ends_a_fetch_under_way() -> None:
    async def test() -> None:
        source = Source()
        source.gate.clear()
        held = Held(source, Clock())
        waiting = asyncio.create_task(held.fresh())
        await until(lambda: source.fetched == 1)
        await held.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(test)


def test_a_provider_type_finds_the_source_of_its_cloud() -> None:
    async def test() -> None:
        async with serving({}) as server:

            def find(type: str, **environ: str) -> object:
                provider = Provider(
                    name="p",
                    type=type,
                    dialect="",
                    origin=Origin("https", "models.example", 443),
                    base_path="",
                    api_key=Secret(""),
                )
                return find_source(
                    provider, environ, pool=server.pool, direct=server.pool, read=NO_FILES
                )

            keys = find("bedrock", AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="s")
            assert keys is not None
            held = Held(keys)  # type: ignore[arg-type]
            assert await held.fresh() == AwsKeys("AKIA", Secret("s"))
            assert type(find("vertex_ai")).__name__ == "MetadataToken"
            assert type(find("azure")).__name__ == "MachineToken"
            assert find("openai") is None
            await held.close()

    run(test)
