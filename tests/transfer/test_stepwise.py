"""JSON in steps against the standard library's."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatdesk.storage.transfer import stepwise

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def outcome(load, text):
    try:
        return load(text)
    except (ValueError, RecursionError) as error:
        return type(error)


def taken(text):
    return stepwise.loads(text, lambda element, key, above: element)


@given(
    VALUES, st.sampled_from([None, 1]), st.integers(0), st.sampled_from(["", ",", "]", "}", "[", "{", ":", " ", "1"])
)
@example([], None, 0, "")
@example([1], None, 2, ",")
@example({"a": [1]}, None, 8, ",")
def test_reads_and_refuses_what_the_library_does(value, indent, at, put):
    """Whole documents, and such with a letter cut out and another one put in its place."""
    text = json.dumps(value, indent=indent)
    assert taken(text) == value
    at %= len(text)
    broken = text[:at] + put + text[at + 1 :]
    for each in (broken, text + put, text[:at]):
        mine, theirs = outcome(taken, each), outcome(json.loads, each)
        assert mine == theirs or (isinstance(mine, type) and isinstance(theirs, type)), each


@pytest.mark.parametrize("text", ["", " ", "[1 2]", '{"a" 1}', "{1: 2}", '{"a": 1,}', "[,]", "[1]x", "[" * 100_000])
def test_what_is_no_json_is_refused(text):
    assert issubclass(outcome(taken, text), (ValueError, RecursionError))


def test_each_element_is_taken_when_it_is_read():
    said = []

    def take(element, key, above):
        said.append((element, key, dict(above)))
        return len(said)

    assert stepwise.loads('[{"a": [5]}, [6]]', take) == [1, 2]
    assert said == [({"a": [5]}, "", {}), ([6], "", {})]
    said.clear()
    document = '{"format": "x", "list": ["one", "two"], "inner": {"a": [5]}}'
    assert stepwise.loads(document, take) == {"format": "x", "list": [1, 2], "inner": {"a": [5]}}
    assert said == [("one", "list", {"format": "x"}), ("two", "list", {"format": "x"})]
