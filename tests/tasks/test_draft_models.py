"""A small checkpoint that guesses ahead for a large one: chosen, remembered, at work; on a real engine."""

import json
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.engine.api import DeviceMemory, Generate, Sampling, TokenEvent
from chatdesk.engine.local import LocalEngine
from chatdesk.errors import UserError
from chatdesk.library import catalogue, safety
from chatdesk.library.fit import plans_of
from chatdesk.remarks import Remark
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import ModelChanged
from chatdesk.tasks.models import Models, Plans
from tests.engine.checkpoints import make_checkpoint
from tests.tasks.desk import Engine


class RealEngine(Engine):
    """An `EngineLink` that answers at once."""

    def __init__(self) -> None:
        super().__init__()
        self.local = LocalEngine()
        self.models: Models | None = None

    def send(self, request) -> None:
        super().send(request)
        for event in self.local.run(request):
            self.models.on_event(event)


class Shelf:
    """Checkpoints on a disk, and the models task over them."""

    def __init__(self, folder: Path) -> None:
        self.large = make_checkpoint(folder / "large", "llama", config={"num_hidden_layers": 4})
        self.small = make_checkpoint(folder / "small", "llama", config={"num_hidden_layers": 1}, seed=1)
        self.other = make_checkpoint(folder / "other", "llama", config={"num_hidden_layers": 1})
        tokenizer = json.loads((self.other / "tokenizer.json").read_text())
        ids = tokenizer["model"]["vocab"]
        ids["a"], ids["b"] = ids["b"], ids["a"]
        (self.other / "tokenizer.json").write_text(json.dumps(tokenizer))
        self.engine, self.posted = RealEngine(), queue.SimpleQueue()
        self.settings = Settings(folder / "settings.toml")
        self.models = self.engine.models = Models(self.engine, lambda folders: [], self.settings, self.posted.put)
        self.said: list[ModelChanged] = []
        self.models.on_change = self.said.append

    def fitting(self, large: Path) -> list[Path]:
        entries = [catalogue.describe(path) for path in (self.large, self.small, self.other)]
        found: list[list[catalogue.Entry]] = []
        self.models.draft_models(next(e for e in entries if e.path == large), entries, found.append)
        self.posted.get(timeout=20)()
        return [entry.path for entry in found[0]]

    def greedy(self) -> list[int]:
        events = self.engine.local.run(Generate(99, "Once upon a time", Sampling(temperature=0, max_new_tokens=40)))
        return [event.id for event in events if isinstance(event, TokenEvent)]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.engine.local.close()


def test_those_that_are_smaller_and_share_the_vocabulary_fit(shelf: Shelf) -> None:
    assert shelf.fitting(shelf.large) == [shelf.small]
    assert shelf.fitting(shelf.small) == []


def test_a_choice_is_at_work_at_once_and_remembered_for_its_model(shelf: Shelf) -> None:
    shelf.models.load(str(shelf.large), "cpu", "float32")
    alone = shelf.greedy()
    assert shelf.said[-1].draft_model == ""
    shelf.models.choose_draft_model(str(shelf.large), str(shelf.small))
    assert shelf.said[-1].state == "ready"
    assert shelf.said[-1].draft_model == str(shelf.small)
    assert (shelf.engine.requests[-1].device, shelf.engine.requests[-1].dtype) == ("cpu", "float32")
    assert shelf.greedy() == alone
    shelf.models.load(str(shelf.small), "cpu", "float32")
    assert shelf.said[-1].draft_model == ""
    again = Models(shelf.engine, lambda folders: [], Settings(shelf.large.parent / "settings.toml"), shelf.posted.put)
    assert again.draft_model(str(shelf.large)) == str(shelf.small)


def test_one_that_does_not_fit_is_left_out_with_a_remark(shelf: Shelf) -> None:
    shelf.models.choose_draft_model(str(shelf.large), str(shelf.other))
    assert shelf.said == []  # nothing is loaded for it
    shelf.models.load(str(shelf.large), "cpu", "float32")
    assert shelf.said[-1].state == "ready"
    assert shelf.said[-1].draft_model == ""
    assert Remark.DRAFT_UNUSED in shelf.said[-1].info.remarks
    assert shelf.models.draft_model(str(shelf.large)) == str(shelf.other)  # it is the person's


def test_nothing_is_guessed_where_the_settings_say_so(shelf: Shelf) -> None:
    shelf.settings["guesses"] = False
    shelf.models.choose_draft_model(str(shelf.large), str(shelf.small))
    shelf.models.load(str(shelf.large), "cpu", "float32")
    assert shelf.said[-1].draft_model == ""
    assert Remark.DRAFT_UNUSED not in shelf.said[-1].info.remarks


def test_a_choice_goes_with_either_checkpoint(shelf: Shelf) -> None:
    for gone in (shelf.small, shelf.large):
        shelf.models.choose_draft_model(str(shelf.large), str(shelf.small))
        shelf.models.checkpoints.forget(str(gone))
        assert shelf.models.draft_model(str(shelf.large)) == ""
    shelf.settings.keep("draft_models", ("no line of JSON", '["/a", "/b"]'))
    assert shelf.models.draft_model("/a") == "/b"


def test_the_plan_counts_its_memory_where_both_fit(shelf: Shelf) -> None:
    """With less memory than both need it is left out, as the engine does, and not the large one made smaller for it."""

    def needed(draft: Path | str, free: int, precision: str = "float32") -> int:
        ways = plans_of(safety.check(shelf.large), "large", [DeviceMemory("cpu", "CPU", free, free, True)], str(draft))
        return next((plan.needed for plan in ways if plan.precision == precision), 0)

    alone = needed("", 10**10)
    other = plans_of(safety.check(shelf.small), "", [DeviceMemory("cpu", "", 10**10, 10**10, True)])
    assert needed(shelf.small, 10**10) == alone + other[0].needed
    assert needed(shelf.small / "gone", 10**10) == alone
    short = 256 * 2**20 + alone + other[0].needed // 2
    assert needed(shelf.small, short) == needed("", short) == alone


def test_the_window_and_the_load_plan_with_what_was_chosen(shelf: Shelf) -> None:
    found: list[Plans] = []
    for draft in ("", str(shelf.small)):
        shelf.models.choose_draft_model(str(shelf.large), draft)
        shelf.models.plans(str(shelf.large), found.append)
        shelf.posted.get(timeout=20)()
    without, counted = (each[0].place.taken for each in found if not isinstance(each, UserError))
    assert (without, counted > 0) == (0, True)
    shelf.settings["guesses"] = False
    shelf.models.plans(str(shelf.large), found.append)
    shelf.posted.get(timeout=20)()
    assert [each[0].place.taken for each in found[2:] if not isinstance(each, UserError)] == [0]
