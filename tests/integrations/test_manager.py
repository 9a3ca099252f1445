"""Integrations that fail, are slow, hang or are buried in events: none of it reaches a request.

Time is a fake: the event loop's clock jumps to the next timer instead of waiting for it.
"""

import asyncio
import logging

import pytest

from portico.integrations.base import (
    HOOKS,
    CacheHitEvent,
    CacheMissEvent,
    EmbeddingEndEvent,
    EmbeddingErrorEvent,
    EmbeddingStartEvent,
    IntegrationError,
    IntegrationStats,
    IntegrationUnavailable,
    LlmEndEvent,
    LlmErrorEvent,
    LlmStartEvent,
    LlmStreamEvent,
)
from portico.integrations.manager import IntegrationManager
from portico.integrations.worker import QueueConfig

EVENTS = {
    "llm_start": LlmStartEvent("r", "m"),
    "llm_end": LlmEndEvent("r", "m"),
    "llm_error": LlmErrorEvent("r", "m"),
    "llm_stream": LlmStreamEvent("r", 0, "x"),
    "embedding_start": EmbeddingStartEvent("r", "m"),
    "embedding_end": EmbeddingEndEvent("r", "m"),
    "embedding_error": EmbeddingErrorEvent("r", "m"),
    "cache_hit": CacheHitEvent("r", "k"),
    "cache_miss": CacheMissEvent("r", "k"),
}


class FakeClockLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__()
        self.now = 1000.0
        select = self._selector.select

        def jump(timeout=None):
            assert timeout is not None, "everybody waits and no timer is set"
            self.now += max(timeout, 0)
            return select(0)

        self._selector.select = jump

    def time(self):
        return self.now


def play(main):
    """Run `main(now)`; `now()` is the fake time since the start."""

    async def run():
        loop = asyncio.get_running_loop()
        return await main(lambda: round(loop.time() - 1000.0, 3))

    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        return runner.run(run())


class Counter:
    """Inline; remembers what it saw."""

    name = "counter"
    is_enabled = True
    delivery = "inline"

    def __init__(self):
        self.seen = []
        self.closed = 0

    def on_llm_start(self, event):
        self.seen.append(event)

    async def flush(self):
        pass

    async def shutdown(self):
        self.closed += 1


class Everything(Counter):
    """All nine hooks."""


for _hook in HOOKS:
    setattr(Everything, _hook, lambda self, event, hook=_hook: self.seen.append((hook, event)))


class Exporter:
    """Queued; `script` says what each flush does: None delivers, an exception fails, a number hangs
    that long.
    """

    is_enabled = True
    delivery = "queued"

    def __init__(self, *script, name="exporter"):
        self.name = name
        self.script = list(script)
        self.gathered = []
        self.batches = []
        self.flushes = 0
        self.closed = 0

    def on_llm_start(self, event):
        self.gathered.append(f"start {event.request_id}")

    def on_llm_end(self, event):
        self.gathered.append(f"end {event.request_id}")

    def on_llm_error(self, event):
        self.gathered.append(f"error {event.request_id}")

    def on_llm_stream(self, event):
        self.gathered.append(f"chunk {event.request_id}")

    async def flush(self):
        self.flushes += 1
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            await asyncio.sleep(step)
        if self.gathered:
            self.batches.append(self.gathered)
            self.gathered = []

    def discard(self):
        self.gathered = []

    async def shutdown(self):
        self.closed += 1


def start(request_id):
    return LlmStartEvent(request_id, "m")


def end(request_id):
    return LlmEndEvent(request_id, "m")


def test_a_disabled_integration_is_not_registered():
    manager = IntegrationManager()
    counter = Counter()
    counter.is_enabled = False
    assert manager.register(counter) is False
    assert (manager.list(), manager.has("counter")) == ((), False)


def test_a_name_is_registered_once():
    manager = IntegrationManager()
    assert manager.register(Counter()) is True
    with pytest.raises(IntegrationError, match="'counter' is registered twice"):
        manager.register(Counter())
    assert manager.list() == ("counter",)


@pytest.mark.parametrize("kind", EVENTS)
def test_each_event_reaches_its_hook_and_no_other(kind):
    manager = IntegrationManager()
    everything = Everything()
    manager.register(everything)
    getattr(manager, kind)(EVENTS[kind])
    assert everything.seen == [(f"on_{kind}", EVENTS[kind])]


def test_only_what_somebody_listens_to_is_wanted():
    manager = IntegrationManager()

    def wanted():
        return {kind for kind in EVENTS if getattr(manager, f"wants_{kind}")}

    assert wanted() == set()
    manager.register(Counter())
    assert wanted() == {"llm_start"}
    manager.register(Exporter())
    assert wanted() == {"llm_start", "llm_end", "llm_error", "llm_stream"}
    for kind, event in EVENTS.items():
        getattr(manager, kind)(event)
    assert manager.stats()[0] == IntegrationStats("counter", delivered=1)


def test_a_failing_inline_integration_disturbs_nobody(caplog):
    class Broken(Counter):
        name = "broken"

        def on_llm_start(self, event):
            raise RuntimeError("no")

    clock = [0.0]
    manager = IntegrationManager(monotonic=lambda: clock[0])
    counter = Counter()
    manager.register(Broken())
    manager.register(counter)
    with caplog.at_level(logging.WARNING, "portico.integrations"):
        for _ in range(5):
            manager.llm_start(start("a"))
        clock[0] = 61.0
        manager.llm_start(start("a"))
    assert len(counter.seen) == 6
    assert manager.stats()[0] == IntegrationStats("broken", failed=6)
    assert [record.getMessage() for record in caplog.records] == [
        "integration broken failed: RuntimeError: no; requests are not affected",
        "integration broken failed: RuntimeError: no (4 more since the last report); "
        "requests are not affected",
    ]


def test_unregistering_drains_and_shuts_down():
    async def main(now):
        manager = IntegrationManager()
        exporter = Exporter()
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.unregister("exporter") is True
        assert await manager.unregister("exporter") is False
        assert (exporter.batches, exporter.closed) == ([["start a"]], 1)
        assert (manager.list(), manager.wants_llm_start) == ((), False)
        manager.llm_start(start("b"))
        assert exporter.gathered == []
        assert manager.register(exporter) is True

    play(main)


def test_events_gather_into_a_batch_for_the_interval():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=1.0))
        exporter = Exporter()
        manager.register(exporter)
        manager.llm_start(start("a"))
        await asyncio.sleep(0.5)
        manager.llm_end(end("a"))
        assert exporter.flushes == 0
        await asyncio.sleep(0.6)
        assert exporter.batches == [["start a", "end a"]]
        assert manager.stats() == (IntegrationStats("exporter", delivered=2),)
        await manager.shutdown()

    play(main)


def test_a_full_batch_does_not_wait():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_size=2, batch_interval_s=60))
        exporter = Exporter()
        manager.register(exporter)
        for name in "abcde":
            manager.llm_start(start(name))
        await asyncio.sleep(0.001)
        assert exporter.batches == [["start a", "start b"], ["start c", "start d"]]
        await manager.flush()
        assert exporter.batches[2:] == [["start e"]]
        assert now() < 1
        await manager.shutdown()

    play(main)


def test_an_unavailable_backend_is_tried_again_with_growing_pauses():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0, base_delay_s=1))
        exporter = Exporter(ConnectionError("refused"), IntegrationUnavailable("503"))
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush(timeout_s=60) is True
        assert now() == 1 + 2
        assert exporter.batches == [["start a"]]
        assert manager.stats() == (IntegrationStats("exporter", delivered=1),)

    play(main)


def test_a_backend_that_says_when_is_listened_to_within_reason():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0, max_delay_s=20))
        exporter = Exporter(
            IntegrationUnavailable("429", retry_after_s=7),
            IntegrationUnavailable("429", retry_after_s=7000),
        )
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush(timeout_s=60) is True
        assert now() == 7 + 20

    play(main)


def test_after_the_last_try_the_batch_is_discarded_and_the_next_one_is_served():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0, tries=3, base_delay_s=1))
        exporter = Exporter(*[ConnectionError("refused")] * 3)
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush(timeout_s=60) is False
        assert (exporter.flushes, exporter.gathered) == (3, [])
        manager.llm_start(start("b"))
        assert await manager.flush() is True
        assert exporter.batches == [["start b"]]
        assert manager.stats() == (IntegrationStats("exporter", delivered=1, failed=1),)

    play(main)


@pytest.mark.parametrize("error", [IntegrationError("401"), ValueError("a bug")])
def test_what_another_try_cannot_mend_is_not_tried_again(error):
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0))
        exporter = Exporter(error)
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush() is False
        assert exporter.flushes == 1
        assert manager.stats() == (IntegrationStats("exporter", failed=1),)

    play(main)


def test_a_hanging_flush_is_cut_after_its_time_out_and_tried_again():
    async def main(now):
        config = QueueConfig(batch_interval_s=0, timeout_s=5, base_delay_s=1)
        manager = IntegrationManager(config)
        exporter = Exporter(1e9)
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush(timeout_s=60) is True
        assert now() == 5 + 1
        assert exporter.batches == [["start a"]]

    play(main)


def test_a_flush_whose_own_request_was_cancelled_does_not_end_the_worker():
    class Cancelling(Exporter):
        async def flush(self):
            await super().flush()
            if self.flushes == 1:
                request = asyncio.create_task(asyncio.sleep(1))
                request.cancel()
                await request

    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0))
        exporter = Cancelling()
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush() is True
        manager.llm_start(start("b"))
        assert await manager.flush() is True
        assert exporter.batches == [["start a"], ["start b"]]
        await manager.shutdown()

    play(main)


def test_a_slow_integration_does_not_hold_up_another():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0))
        slow, quick = Exporter(4.0, name="slow"), Exporter(name="quick")
        manager.register(slow)
        manager.register(quick)
        manager.llm_start(start("a"))
        await asyncio.sleep(0.001)
        assert (slow.batches, quick.batches) == ([], [["start a"]])
        await manager.flush()
        assert (slow.batches, now()) == ([["start a"]], 4.0)

    play(main)


def test_one_bad_event_does_not_spoil_its_batch():
    class Picky(Exporter):
        def on_llm_start(self, event):
            if event.request_id == "bad":
                raise ValueError("cannot map this")
            super().on_llm_start(event)

    async def main(now):
        manager = IntegrationManager()
        picky = Picky()
        manager.register(picky)
        for name in ("a", "bad", "b"):
            manager.llm_start(start(name))
        assert await manager.flush() is False
        assert picky.batches == [["start a", "start b"]]
        assert manager.stats() == (IntegrationStats("exporter", delivered=2, failed=1),)

    play(main)


def test_a_full_queue_keeps_a_place_for_the_end_of_every_accepted_start():
    async def main(now):
        manager = IntegrationManager(QueueConfig(capacity=4))
        exporter = Exporter()
        manager.register(exporter)
        for name in "abc":
            manager.llm_start(start(name))
        for _ in range(10):
            manager.llm_stream(LlmStreamEvent("a", 0, "x"))
        manager.llm_start(start("late"))
        manager.llm_end(end("a"))
        manager.llm_error(LlmErrorEvent("b", "m"))
        manager.llm_end(end("c"))
        manager.llm_end(end("late"))
        manager.llm_end(end("a"))
        assert manager.stats() == (IntegrationStats("exporter", dropped=12, waiting=7),)
        await manager.flush()
        assert exporter.batches == [
            ["start a", "start b", "start c", "chunk a", "end a", "error b", "end c"]
        ]
        manager.llm_end(end("late"))
        await manager.flush()
        assert exporter.batches[1:] == [["end late"]]

    play(main)


def test_starts_that_never_end_cannot_block_the_queue():
    async def main(now):
        manager = IntegrationManager(QueueConfig(capacity=100, max_open=2))
        exporter = Exporter()
        manager.register(exporter)
        for name in "abc":
            manager.llm_start(start(name))
        await manager.flush()
        worker = manager._members["exporter"].worker
        assert worker._open == {("b", 1): 1, ("c", 1): 1}
        assert worker._open_count == 2
        for name in "abc":
            manager.llm_end(end(name))
        assert (worker._open, worker._open_count) == ({}, 0)
        await manager.flush()
        assert exporter.batches == [["start a", "start b", "start c"], ["end a", "end b", "end c"]]

    play(main)


def test_the_same_request_id_keeps_a_place_per_start():
    async def main(now):
        manager = IntegrationManager(QueueConfig(capacity=2))
        exporter = Exporter()
        manager.register(exporter)
        for _ in range(2):
            manager.llm_start(start("same"))
        for _ in range(3):
            manager.llm_end(end("same"))
        await manager.flush()
        assert exporter.batches == [["start same"] * 2 + ["end same"] * 2]

    play(main)


def test_events_before_the_loop_runs_are_delivered_once_it_does():
    manager = IntegrationManager()
    exporter = Exporter()
    manager.register(exporter)
    manager.llm_start(start("a"))

    async def main(now):
        assert await manager.flush() is True
        await manager.shutdown()

    play(main)
    assert exporter.batches == [["start a"]]


def test_shutdown_delivers_what_waits_and_closes_everybody_once():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=60, batch_size=2))
        exporter, counter = Exporter(), Counter()
        manager.register(exporter)
        manager.register(counter)
        for name in "abc":
            manager.llm_start(start(name))
        await manager.shutdown()
        await manager.shutdown()
        assert exporter.batches == [["start a", "start b"], ["start c"]]
        assert (exporter.closed, counter.closed, now()) == (1, 1, 0)
        manager.llm_start(start("d"))
        assert len(counter.seen) == 3
        with pytest.raises(IntegrationError, match="the manager is shut down"):
            manager.register(Counter())

    play(main)


def test_shutdown_keeps_its_deadline_with_a_dead_backend():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0))
        exporter = Exporter(*[1e9] * 100)
        manager.register(exporter)
        manager.llm_start(start("a"))
        await asyncio.sleep(0.001)
        manager.llm_start(start("b"))
        worker = manager._members["exporter"].worker
        await manager.shutdown(timeout_s=3)
        assert now() < 4
        assert exporter.closed == 1
        assert worker.stats() == IntegrationStats("exporter", dropped=2)
        assert worker._task.cancelled()

    play(main)


def test_shutdown_leaves_one_behind_that_ignores_being_cancelled():
    class Stubborn(Exporter):
        async def flush(self):
            while self.closed < 2:
                try:
                    await asyncio.sleep(1e6)
                except asyncio.CancelledError:
                    self.closed += 1

    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0, timeout_s=1e5))
        stubborn = Stubborn()
        manager.register(stubborn)
        manager.llm_start(start("a"))
        await asyncio.sleep(0.001)
        await manager.shutdown(timeout_s=3)
        assert now() < 6

    play(main)


def test_a_cancelled_shutdown_still_ends_the_tasks():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0))
        exporter = Exporter(1e9)
        manager.register(exporter)
        manager.llm_start(start("a"))
        worker = manager._members["exporter"].worker
        closing = asyncio.create_task(manager.shutdown(timeout_s=1000))
        await asyncio.sleep(1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert worker._task.done()
        assert exporter.closed == 1

    play(main)


def test_a_failing_shutdown_is_logged_and_the_others_are_closed(caplog):
    class Broken(Counter):
        name = "broken"

        async def shutdown(self):
            raise RuntimeError("no")

    async def main(now):
        manager = IntegrationManager()
        counter = Counter()
        manager.register(Broken())
        manager.register(counter)
        await manager.shutdown()
        assert counter.closed == 1

    play(main)
    assert "integration broken failed: RuntimeError: no" in caplog.text


def test_flush_gives_up_at_its_deadline_and_says_so():
    async def main(now):
        manager = IntegrationManager(QueueConfig(batch_interval_s=0))
        exporter = Exporter(4.0)
        manager.register(exporter)
        manager.llm_start(start("a"))
        assert await manager.flush(timeout_s=1) is False
        assert await manager.flush(timeout_s=10) is True
        await manager.shutdown()

    play(main)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"capacity": 0}, "capacity: 0 is too small"),
        ({"max_open": 0}, "max_open: 0 is too small"),
        ({"batch_size": 0}, "batch_size: 0 is too small"),
        ({"tries": 0}, "tries: 0 is too small"),
        ({"timeout_s": 0}, "timeout_s: 0 must be above 0"),
    ],
)
def test_a_queue_that_cannot_work_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        QueueConfig(**fields)
