"""The bounded book of attempts under way."""

from hypothesis import given
from hypothesis import strategies as st

from portico.integrations.open_attempts import OpenAttempts


def test_an_attempt_is_open_between_begin_and_end():
    book = OpenAttempts(limit=10, memory=10)
    assert book.begin("a", "item") is None
    assert (len(book), book.has_ended("a")) == (1, False)
    assert book.end("a") == "item"
    assert (len(book), book.has_ended("a"), book.end("a")) == (0, True, None)


def test_past_the_limit_the_oldest_gives_way_and_counts_as_ended():
    book = OpenAttempts(limit=2, memory=10)
    assert [book.begin(key, key.upper()) for key in "abc"] == [None, None, "A"]
    assert (len(book), book.has_ended("a")) == (2, True)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))))
def test_it_counts_like_a_multiset(steps):
    book, model = OpenAttempts(limit=10**6, memory=4), []
    for is_begin, key in steps:
        if is_begin:
            book.begin(key, key)
            model.append(key)
        elif key in model:
            assert book.end(key) == key
            model.remove(key)
        else:
            assert book.end(key) is None
        assert len(book) == len(model)
        assert len(book._ended) < 4
