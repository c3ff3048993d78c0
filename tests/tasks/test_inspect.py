"""Looking inside as a task: the newest question counts, answers are values, what was seen can be written."""

import csv
import io
import json
import math

import pytest

from chatdesk.engine.api import Generate, Sampling, TokenReading
from chatdesk.errors import Fault
from chatdesk.tasks.changes import ModelChanged, Notice
from chatdesk.tasks.inspect import NEUTRAL, Attention, Inspect, chain, map_as_csv, tokens_as_csv, tokens_as_json
from tests.tasks.looking import Link, LoadedModels

TEXT = "once upon a time"


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def inspect(link: Link) -> Inspect:
    inspect = Inspect(link, LoadedModels(link))  # type: ignore[arg-type]
    link.receivers.append(inspect.on_event)
    return inspect


def test_the_next_word_is_one_token_under_these_samplers(link: Link, inspect: Inspect) -> None:
    got: list[object] = []
    inspect.next_word(TEXT, Sampling(0.5, 0.9, 4, 0.0, 1.0), got.append)
    link.settle()
    (request,) = link.sent
    assert isinstance(request, Generate)
    assert request.sampling == Sampling(0.5, 0.9, 4, 0.0, 1.0, 1)
    (found,) = got
    assert len(found) == 30  # type: ignore[arg-type]


def test_tokens_and_attention_are_answered(link: Link, inspect: Inspect) -> None:
    got: list[object] = []
    inspect.tokens(TEXT, NEUTRAL, got.append)
    inspect.attention(TEXT, 1, got.append)
    link.settle()
    readings, attention = got
    assert "".join(token.text for token in readings) == TEXT  # type: ignore[attr-defined]
    assert isinstance(attention, Attention)
    assert (attention.layer, len(attention.maps), len(attention.seen.pieces)) == (1, 2, 4)


def test_only_the_newest_of_waiting_questions_is_asked(link: Link, inspect: Inspect) -> None:
    got: list[tuple[str, object]] = []
    for n in range(20):
        inspect.tokens(f"text {n}", NEUTRAL, lambda found, n=n: got.append((n, found)))
    assert len(link.sent) == 1
    link.settle()
    assert [request.prompt for request in link.sent] == ["text 0", "text 19"]  # type: ignore[union-attr]
    assert [n for n, _ in got] == [19]


def test_a_fault_is_a_notice(link: Link, inspect: Inspect) -> None:
    got: list[object] = []
    inspect.attention("word " * 550, 0, got.append)
    link.settle()
    (found,) = got
    assert isinstance(found, Notice)
    assert (found.fault, found.fields) == (Fault.ATTENTION_TOO_LONG, {"tokens": "551", "limit": "512"})


def test_without_a_model_nothing_is_sent(link: Link) -> None:
    models = LoadedModels(link)
    models.state = ModelChanged("none")
    got: list[object] = []
    Inspect(link, models).tokens(TEXT, NEUTRAL, got.append)  # type: ignore[arg-type]
    assert got == [Notice(Fault.NO_MODEL, {})]
    assert (link.sent, models.woken) == ([], 1)


def test_what_was_forgotten_is_not_answered(link: Link, inspect: Inspect) -> None:
    got: list[object] = []
    inspect.tokens(TEXT, NEUTRAL, got.append)
    inspect.forget()
    link.settle()
    assert got == []
    inspect.tokens(TEXT, NEUTRAL, got.append)
    link.settle()
    assert len(got) == 1


READINGS = (
    TokenReading(5, "I"),
    TokenReading(6, ' "quoted", ', 3, -1.5, -0.25, 2.0, ()),
    TokenReading(7, "\n", 1, -0.5, -9999.0, 0.5, ()),
)


def test_the_chain_counts_what_has_a_probability() -> None:
    found = chain(READINGS)
    assert (found.tokens, found.log, found.perplexity) == (2, -2.0, pytest.approx(math.e))
    assert chain(READINGS[:1]).perplexity == 1.0


def test_tokens_are_written_so_that_they_can_be_read() -> None:
    rows = list(csv.DictReader(io.StringIO(tokens_as_csv(READINGS), newline="")))
    assert [row["text"] for row in rows] == ["I", ' "quoted", ', "\n"]
    assert [(row["rank"], row["logprob"]) for row in rows] == [("", ""), ("3", "-1.5"), ("1", "-0.5")]
    told = json.loads(tokens_as_json(READINGS))["tokens"]
    assert [token["text"] for token in told] == ["I", ' "quoted", ', "\n"]
    assert told[1]["sampled_logprob"] == -0.25


def test_a_map_is_written_with_its_tokens() -> None:
    rows = list(csv.reader(io.StringIO(map_as_csv(["a", " b,"], [[1.0, 0.0], [0.25, 0.75]]), newline="")))
    assert rows == [["", "a", " b,"], ["a", "1", "0"], [" b,", "0.25", "0.75"]]
