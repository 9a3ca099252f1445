"""Who waits, who goes first, and who has to leave."""

from hypothesis import given
from hypothesis import strategies as st

from portico.policy.fair_queue import FairQueue, Waiter


def line(limit: int, *names: str) -> tuple[FairQueue[str], dict[str, Waiter[str]]]:
    """Waiters called `key:priority:ticket`, in the order of their coming."""
    queue: FairQueue[str] = FairQueue(limit)
    waiters = {name: waiter(name) for name in names}
    for one in waiters.values():
        assert queue.push(one) is None
    return queue, waiters


def waiter(name: str) -> Waiter[str]:
    key, priority, _ = name.split(":")
    return Waiter(key, int(priority), name)


def drained(queue: FairQueue[str], under_way: dict[str, int]) -> list[str]:
    order = []
    while (one := queue.pop(under_way)) is not None:
        under_way[one.key] = under_way.get(one.key, 0) + 1
        order.append(one.ticket)
    return order


def test_the_oldest_goes_first() -> None:
    queue, _ = line(9, "a:0:1", "a:0:2", "a:0:3")
    assert drained(queue, {}) == ["a:0:1", "a:0:2", "a:0:3"]


def test_a_higher_priority_goes_first() -> None:
    queue, _ = line(9, "a:0:1", "b:-1:2", "c:5:3")
    assert drained(queue, {}) == ["c:5:3", "a:0:1", "b:-1:2"]


def test_keys_take_turns_however_much_one_sends() -> None:
    queue, _ = line(9, "a:0:1", "a:0:2", "a:0:3", "b:0:4", "b:0:5")
    assert drained(queue, {}) == ["a:0:1", "b:0:4", "a:0:2", "b:0:5", "a:0:3"]


def test_the_key_with_the_fewest_calls_under_way_is_next() -> None:
    queue, _ = line(9, "a:0:1", "b:0:2")
    assert drained(queue, {"a": 3, "b": 1}) == ["b:0:2", "a:0:1"]


def test_a_full_line_turns_away_the_newcomer_of_equal_right() -> None:
    queue, _ = line(2, "a:0:1", "b:0:2")
    newcomer = waiter("a:0:3")
    assert queue.push(newcomer) is newcomer
    assert len(queue) == 2


def test_a_full_line_makes_room_for_a_key_that_has_less() -> None:
    queue, waiters = line(3, "a:0:1", "a:0:2", "a:0:3")
    assert queue.push(waiter("b:0:4")) is waiters["a:0:3"]
    newcomer = waiter("b:0:5")
    assert queue.push(newcomer) is newcomer
    assert drained(queue, {}) == ["a:0:1", "b:0:4", "a:0:2"]


def test_a_full_line_makes_room_for_a_higher_priority() -> None:
    queue, waiters = line(2, "a:0:1", "b:1:2")
    assert queue.push(waiter("b:1:3")) is waiters["a:0:1"]
    low = waiter("a:0:4")
    assert queue.push(low) is low


def test_a_line_of_no_length_takes_nobody() -> None:
    queue, _ = line(0)
    newcomer = waiter("a:9:1")
    assert queue.push(newcomer) is newcomer


def test_who_left_is_not_served() -> None:
    queue, waiters = line(9, "a:0:1", "a:0:2")
    assert queue.remove(waiters["a:0:1"])
    assert not queue.remove(waiters["a:0:1"])
    assert drained(queue, {}) == ["a:0:2"]
    assert len(queue) == 0


@given(
    st.integers(0, 6),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-1, 1), st.sampled_from("+-.")), max_size=60
    ),
)
def test_nobody_is_lost_or_served_twice(limit: int, steps: list[tuple[str, int, str]]) -> None:
    queue: FairQueue[int] = FairQueue(limit)
    waiting: dict[int, Waiter[int]] = {}
    for number, (key, priority, what) in enumerate(steps):
        if what == "+":
            one = Waiter(key, priority, number)
            victim = queue.push(one)
            if victim is not one:
                waiting[number] = one
                if victim is not None:
                    del waiting[victim.ticket]
        elif what == "-":
            popped = queue.pop({})
            if popped is not None:
                assert popped.priority == max(w.priority for w in waiting.values())
                del waiting[popped.ticket]
        elif waiting:
            assert queue.remove(waiting.popitem()[1])
        assert len(queue) == len(waiting) <= limit
