"""The promises of `chatdesk.engine.api`, kept by every engine; `test_engine_contract` says of which ones.

A new engine inherits `EngineContract` and says how it is made and what it loads. One engine serves all tests of its
class; the tests of an engine without a model stand first, as those after them load one.
"""

import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.engine.api import (
    Capability,
    ChatMessage,
    Count,
    Counted,
    DraftFinished,
    Engine,
    Event,
    Failed,
    Finished,
    Generate,
    Load,
    Loaded,
    MakePrompt,
    Measure,
    Ping,
    Pong,
    Progress,
    PromptMade,
    Request,
    Sampling,
    Started,
    Survey,
    Surveyed,
    TokenEvent,
)
from chatdesk.engine.wire import ENDINGS
from chatdesk.errors import Fault, UserError

IDS = itertools.count(1)
PROMPT = "Once upon a time there was a small model"
LONG = Sampling(max_new_tokens=80)
TURNS = (
    ChatMessage("system", "Be brief."),
    ChatMessage("user", "Hello"),
    ChatMessage("assistant", "Hi"),
    ChatMessage("user", "How are you today?"),
)


def reply(prompt: str | tuple[ChatMessage, ...] = PROMPT, **options) -> Generate:
    """A request of few tokens, unless said otherwise."""
    return Generate(next(IDS), prompt, **({"sampling": Sampling(max_new_tokens=12), "seed": 7} | options))


def run(engine: Engine, request: Request) -> list[Event]:
    """All events of a request, with what is true of every one."""
    events = list(engine.run(request))
    assert {event.request for event in events} == {request.id}
    assert [isinstance(event, ENDINGS) for event in events] == [False] * (len(events) - 1) + [True]
    return events


def fault(engine: Engine, request: Request) -> Fault:
    """The fault that a request fails with; its sentence has all its fields."""
    last = run(engine, request)[-1]
    assert isinstance(last, Failed), last
    assert "{" not in str(UserError(Fault(last.fault), **last.fields))
    return Fault(last.fault)


def of_type(events: list[Event], *types: type) -> list[Event]:
    return [event for event in events if isinstance(event, types)]


def tokens(events: list[Event], draft: int = 0) -> list[int]:
    return [event.id for event in of_type(events, TokenEvent) if event.draft == draft]


def text(events: list[Event], draft: int = 0) -> str:
    return "".join(event.text for event in of_type(events, TokenEvent, DraftFinished) if event.draft == draft)


def reasons(events: list[Event]) -> list[str]:
    """Why each draft ended, by number of the draft."""
    return [event.reason for event in sorted(of_type(events, DraftFinished), key=lambda event: event.draft)]


class EngineContract:
    """Inherit it, and give the two fixtures, both of class scope."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls, engine: Engine, folder: Path) -> Engine:
        assert isinstance(run(engine, Load(next(IDS), str(folder)))[-1], Loaded)
        return engine

    # ---- without a model

    def test_nothing_is_generated_without_a_model(self, engine: Engine) -> None:
        assert fault(engine, reply()) == Fault.NO_MODEL
        assert fault(engine, Count(next(IDS), "some text")) == Fault.NO_MODEL
        assert fault(engine, MakePrompt(next(IDS), PROMPT)) == Fault.NO_MODEL
        assert fault(engine, Measure(next(IDS))) == Fault.NO_MODEL

    def test_an_unknown_folder_fails(self, engine: Engine, tmp_path: Path) -> None:
        assert fault(engine, Load(next(IDS), str(tmp_path / "nothing"))) == Fault.FILE_NOT_FOUND

    def test_a_cancelled_load_fails_as_cancelled(self, engine: Engine, folder: Path) -> None:
        request = Load(next(IDS), str(folder))
        events = engine.run(request)
        first = next(events)
        engine.cancel(request.id)
        rest = [first, *events]
        assert isinstance(rest[-1], Failed | Loaded)  # it may have been over already
        assert rest[-1] == Failed(request.id, Fault.CANCELLED, {}) or isinstance(rest[-1], Loaded)

    # ---- loading

    def test_a_load_shows_progress_and_tells_what_was_loaded(self, engine: Engine, folder: Path) -> None:
        *progress, last = run(engine, Load(next(IDS), str(folder)))
        assert isinstance(last, Loaded)
        assert progress
        assert all(isinstance(event, Progress) and 0 <= event.done <= event.total for event in progress)
        assert [e.done for e in progress] == sorted(e.done for e in progress)
        assert last.model.path == str(folder)
        assert last.model.context_length > 0
        values = {name: getattr(last.model.sampling, name) for name in Sampling.__struct_fields__}
        assert [name for name, value in values.items() if value is None] in (["max_length"], ["max_new_tokens"])

    def test_a_failed_load_is_no_end(self, loaded: Engine, folder: Path, tmp_path: Path) -> None:
        assert fault(loaded, Load(next(IDS), str(tmp_path / "nothing"))) == Fault.FILE_NOT_FOUND
        assert isinstance(run(loaded, Load(next(IDS), str(folder)))[-1], Loaded)
        assert isinstance(run(loaded, reply())[-1], Finished)

    # ---- generating

    def test_an_unknown_adapter_fails(self, loaded: Engine, tmp_path: Path) -> None:
        assert fault(loaded, reply(adapter=str(tmp_path / "none"))) == Fault.FILE_NOT_FOUND

    def test_a_reply_has_its_events_in_order(self, loaded: Engine) -> None:
        events = run(loaded, reply(drafts=3))
        kinds = [type(e) for e in events if not isinstance(e, Progress)]
        assert kinds[0] is Started
        assert kinds.count(Started) == 1
        assert isinstance(events[-1], Finished)
        assert sorted(e.draft for e in of_type(events, DraftFinished)) == [0, 1, 2]
        for draft in range(3):
            own = [e for e in of_type(events, TokenEvent, DraftFinished) if e.draft == draft]
            assert isinstance(own[-1], DraftFinished)
        assert all(isinstance(e, Progress | Started) for e in events[: events.index(of_type(events, TokenEvent)[0])])

    def test_the_last_event_counts(self, loaded: Engine) -> None:
        events = run(loaded, reply(drafts=2))
        (started,) = of_type(events, Started)
        last = events[-1]
        assert last.prompt_tokens == len(started.prompt_token_ids) > 0
        assert last.new_tokens == len(of_type(events, TokenEvent)) == 24
        assert 0 <= last.reused_tokens <= last.prompt_tokens
        assert last.ttft_s >= 0
        assert last.tokens_per_s >= 0

    def test_probabilities(self, loaded: Engine) -> None:
        events = run(loaded, reply(top_logprobs=4))
        for event in of_type(events, TokenEvent):
            assert len(event.top) == 4
            assert len({other.id for other in event.top}) == 4
            for it in (event, *event.top):
                assert math.isfinite(it.logprob)
                assert math.isfinite(it.sampled_logprob)
                assert max(it.logprob, it.sampled_logprob) <= 1e-6

    def test_no_alternatives_unless_asked_for(self, loaded: Engine) -> None:
        assert {event.top for event in of_type(run(loaded, reply()), TokenEvent)} == {()}

    def test_the_sampling_used_is_told(self, loaded: Engine) -> None:
        asked = Sampling(temperature=0.5, top_k=3, max_new_tokens=2)
        (started,) = of_type(run(loaded, reply(sampling=asked)), Started)
        used = started.sampling
        assert (used.temperature, used.top_k, used.max_new_tokens, used.max_length) == (0.5, 3, 2, None)
        assert None not in (used.top_p, used.min_p, used.repetition_penalty)

    def test_a_seed_repeats_a_reply(self, loaded: Engine) -> None:
        warm = Sampling(temperature=1.5, max_new_tokens=12)
        first = run(loaded, reply(seed=None, sampling=warm))
        (started,) = of_type(first, Started)
        again = run(loaded, reply(seed=started.seed, sampling=warm))
        assert tokens(again) == tokens(first)
        (other,) = of_type(run(loaded, reply(seed=None, sampling=warm)), Started)
        assert other.seed != started.seed

    def test_draft_i_is_the_single_reply_with_seed_plus_i(self, loaded: Engine) -> None:
        warm = Sampling(temperature=1.2, max_new_tokens=12)
        many = run(loaded, reply(seed=40, drafts=3, sampling=warm))
        for draft in range(3):
            assert tokens(run(loaded, reply(seed=40 + draft, sampling=warm))) == tokens(many, draft)
        assert len({tuple(tokens(many, draft)) for draft in range(3)}) == 3

    def test_greedy_needs_no_seed(self, loaded: Engine) -> None:
        greedy = Sampling(temperature=0, max_new_tokens=12)
        replies = [tokens(run(loaded, reply(seed=seed, sampling=greedy))) for seed in (1, 2, None)]
        assert replies[0] == replies[1] == replies[2]

    @pytest.mark.parametrize("length", [1, 9])
    def test_the_number_of_new_tokens(self, loaded: Engine, length: int) -> None:
        events = run(loaded, reply(sampling=Sampling(max_new_tokens=length), drafts=2))
        assert [len(tokens(events, draft)) for draft in range(2)] == [length, length]
        assert reasons(events) == ["length", "length"]

    def test_the_whole_length(self, loaded: Engine) -> None:
        (started,) = of_type(run(loaded, reply()), Started)
        prompt = len(started.prompt_token_ids)
        events = run(loaded, reply(sampling=Sampling(max_length=prompt + 5)))
        assert len(tokens(events)) == 5
        assert reasons(events) == ["length"]

    def test_the_context_fills(self, loaded: Engine, folder: Path) -> None:
        context = run(loaded, Load(next(IDS), str(folder)))[-1].model.context_length
        events = run(loaded, reply(" word" * (context * 3 // 4), sampling=Sampling(max_new_tokens=context)))
        (started,) = of_type(events, Started)
        assert len(started.prompt_token_ids) + len(tokens(events)) == context
        assert reasons(events) == ["context"]

    def test_a_conversation_is_a_prompt(self, loaded: Engine) -> None:
        events = run(loaded, reply(TURNS))
        assert isinstance(events[-1], Finished)
        assert len(of_type(events, Started)[0].prompt_token_ids) > 4

    @pytest.mark.parametrize("prompt", ["", "  \n", (), (ChatMessage("user", ""),)])
    def test_an_empty_prompt_is_refused(self, loaded: Engine, prompt: str | tuple[ChatMessage, ...]) -> None:
        assert fault(loaded, reply(prompt)) == Fault.EMPTY_PROMPT

    def test_both_lengths_are_refused(self, loaded: Engine) -> None:
        assert fault(loaded, reply(sampling=Sampling(max_new_tokens=5, max_length=50))) == Fault.BOTH_LENGTHS

    @pytest.mark.parametrize(
        "values",
        [
            {"temperature": -0.1},
            {"temperature": math.nan},
            {"top_p": 0.0},
            {"top_p": 1.1},
            {"top_k": -1},
            {"min_p": -0.5},
            {"min_p": 1.5},
            {"repetition_penalty": 0.0},
            {"max_new_tokens": 0},
            {"max_new_tokens": -3},
            {"max_length": 0},
            {"max_length": 1},
        ],
    )
    def test_a_sampling_that_means_nothing_is_refused(self, loaded: Engine, values: dict[str, float]) -> None:
        assert fault(loaded, reply(sampling=Sampling(**values))) == Fault.BAD_VALUE

    @pytest.mark.parametrize("values", [{"drafts": 0}, {"top_logprobs": -1}, {"seed": -1}, {"stop": ("",)}])
    def test_a_request_that_means_nothing_is_refused(self, loaded: Engine, values: dict[str, object]) -> None:
        assert fault(loaded, reply(**values)) == Fault.BAD_VALUE

    @pytest.mark.parametrize("start", [0, 5, 11])
    @pytest.mark.parametrize("size", [1, 4])
    def test_a_stop_string_never_shows(self, loaded: Engine, start: int, size: int) -> None:
        whole = text(run(loaded, reply()))
        stop = whole[start : start + size]
        assert len(stop) == size
        events = run(loaded, reply(stop=("never said", stop)))
        assert text(events) == whole[: whole.index(stop)]
        assert reasons(events) == ["stop"]

    def test_what_was_held_back_is_not_lost(self, loaded: Engine) -> None:
        whole = text(run(loaded, reply()))
        events = run(loaded, reply(stop=(whole[-3:] + "and more",)))
        assert text(events) == whole
        assert reasons(events) == ["length"]

    # ---- cancelling

    def test_cancel_before_the_first_event(self, loaded: Engine) -> None:
        request = reply(drafts=2, sampling=LONG)
        events = loaded.run(request)
        loaded.cancel(request.id)
        found = list(events)
        assert reasons(found) == ["cancelled", "cancelled"]
        assert isinstance(found[-1], Finished)

    def test_cancel_in_the_middle_keeps_the_text(self, loaded: Engine) -> None:
        whole = text(run(loaded, reply(sampling=LONG)))
        request = reply(sampling=LONG)
        found: list[Event] = []
        for event in loaded.run(request):
            found.append(event)
            if len(of_type(found, TokenEvent)) == 3:
                loaded.cancel(request.id)
        # a short script may have been over before the cancel arrived
        assert reasons(found) == ["cancelled"] or text(found) == whole
        assert isinstance(found[-1], Finished)
        assert found[-1].new_tokens == len(tokens(found)) >= 3
        assert whole.startswith(text(found).rstrip("\ufffd"))

    def test_cancel_from_another_thread(self, loaded: Engine) -> None:
        request = reply(sampling=LONG)
        events = loaded.run(request)
        found = [next(events)]
        thread = threading.Thread(target=loaded.cancel, args=(request.id,))
        thread.start()
        found += events
        thread.join()
        assert reasons(found)[0] in ("cancelled", "stop", "length")
        assert isinstance(found[-1], Finished)

    def test_cancelling_what_is_over_or_never_was_is_harmless(self, loaded: Engine) -> None:
        first = reply()
        expected = tokens(run(loaded, first))
        for other in (first.id, 10**9):
            loaded.cancel(other)
        assert tokens(run(loaded, reply())) == expected

    def test_closing_the_iterator_cancels(self, loaded: Engine) -> None:
        expected = tokens(run(loaded, reply()))
        events = loaded.run(reply(sampling=LONG))
        next(events)
        events.close()
        assert tokens(run(loaded, reply())) == expected

    # ---- the prompt alone

    @pytest.mark.parametrize(
        "prompt",
        [
            PROMPT,
            "天气 is weather, ñandú and 👩‍👩‍👧",
            " word" * 500,
            TURNS,
            (*TURNS, ChatMessage("assistant", "Well")),
            (*(ChatMessage("user", "Tell me more of it", is_pinned=i == 1) for i in range(90)), *TURNS),
        ],
        ids=["text", "characters", "long", "chat", "continued", "long chat"],
    )
    def test_the_prompt_is_the_one_that_a_reply_begins_with(
        self, loaded: Engine, prompt: str | tuple[ChatMessage, ...]
    ) -> None:
        assert Capability.PROMPT in loaded.capabilities
        sampling = Sampling(max_new_tokens=5)
        (made,) = run(loaded, MakePrompt(next(IDS), prompt, sampling))
        assert isinstance(made, PromptMade), made
        (started,) = of_type(run(loaded, reply(prompt, sampling=sampling)), Started)
        assert made.token_ids == started.prompt_token_ids
        assert (made.dropped_messages, made.dropped_tokens, made.unseen_before) == (
            started.dropped_messages,
            started.dropped_tokens,
            started.unseen_before,
        )
        assert len(made.pieces) == len(made.token_ids) < made.context_length
        assert set(made.marker_ids) <= set(made.token_ids)
        said = prompt if isinstance(prompt, str) else prompt[-1].text
        assert said.endswith("".join(made.pieces)) if made.dropped_tokens else said in "".join(made.pieces)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"prompt": ""},
            {"prompt": ()},
            {"prompt": (ChatMessage("user", " "),)},
            {"prompt": (ChatMessage("user", " word" * 500),)},
            {"prompt": (*TURNS, ChatMessage("user", " word" * 50)) * 5, "overflow": "refuse"},
            {"sampling": Sampling(max_new_tokens=5, max_length=50)},
            {"sampling": Sampling(temperature=-1)},
            {"sampling": Sampling(max_length=2)},
        ],
    )
    def test_a_prompt_fails_as_its_reply_would(self, loaded: Engine, wrong: dict[str, object]) -> None:
        values = {"prompt": PROMPT, **wrong}
        found = fault(loaded, MakePrompt(next(IDS), **values))
        assert found == fault(loaded, Generate(next(IDS), **values))

    def test_making_a_prompt_costs_the_next_reply_nothing(self, loaded: Engine) -> None:
        run(loaded, reply())
        reused = run(loaded, reply())[-1].reused_tokens
        run(loaded, MakePrompt(next(IDS), "Something else altogether"))
        assert run(loaded, reply())[-1].reused_tokens == reused

    def test_a_cancelled_prompt_fails_as_cancelled(self, loaded: Engine) -> None:
        request = MakePrompt(next(IDS), PROMPT)
        events = loaded.run(request)
        loaded.cancel(request.id)
        (last,) = events
        # over the pipe it may have been made before the cancel arrived
        assert last == Failed(request.id, Fault.CANCELLED, {}) or isinstance(last, PromptMade)

    # ---- the rest

    def test_counting(self, loaded: Engine) -> None:
        assert Capability.COUNT in loaded.capabilities
        (counted,) = run(loaded, Count(next(IDS), PROMPT))
        assert isinstance(counted, Counted)
        (started,) = of_type(run(loaded, reply()), Started)
        assert counted.tokens == len(started.prompt_token_ids)
        assert run(loaded, Count(next(IDS), ""))[0].tokens == 0

    def test_counting_while_it_generates(self, loaded: Engine) -> None:
        events = loaded.run(reply(sampling=LONG))
        next(events)
        (counted,) = run(loaded, Count(next(IDS), PROMPT))
        assert counted.tokens > 0
        assert isinstance(list(events)[-1], Finished)

    def test_ping(self, loaded: Engine) -> None:
        request = Ping(next(IDS))
        assert run(loaded, request) == [Pong(request.id)]

    def test_survey(self, loaded: Engine) -> None:
        """The CPU comes last; what the loaded model takes counts as free."""
        (found,) = run(loaded, Survey(next(IDS)))
        assert isinstance(found, Surveyed)
        assert found.devices[-1].device == "cpu"
        assert all(0 < each.free <= each.total for each in found.devices)
