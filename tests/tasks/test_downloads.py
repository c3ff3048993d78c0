"""The queue of downloads, and looking on the hub, without a window."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import footprint, safety, snapshots, tokens
from chatdesk.library.catalogue import Entry
from chatdesk.library.connection import Connection
from chatdesk.library.download import Step
from chatdesk.library.hub import Found, Repository
from chatdesk.library.partial import STEP
from chatdesk.library.safety import Checked
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import Change, Download, DownloadsChanged
from chatdesk.tasks.downloads import Downloads, Rate
from chatdesk.tasks.hub import Hub
from tests.engine.checkpoints import make_checkpoint
from tests.library.hub_models import QUICK, noise, wrong_bytes
from tests.library.hub_server import COMMIT, Model, Server, serve


class Desk:
    """A hub with a real small checkpoint, and the tasks on one thread, the test's."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.cache = folder / "cache"
        made = make_checkpoint(folder / "made", "llama")
        files = {path.name: path.read_bytes() for path in made.iterdir()}
        # A licence of some megabytes, so that a download takes a while.
        server.models["owner/a"] = Model({**files, "LICENSE": noise(2 * STEP)})
        server.models["owner/b"] = Model(files)
        self.settings = Settings(folder / "settings.toml")
        self.connections = 0
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.changes: list[Change] = []
        self.entries: list[Entry] = []
        self.open()
        self.hub = Hub(self.connect, self._posted.put)

    def open(self) -> None:
        self.downloads = Downloads(self.connect, self.cache, self.settings, self._posted.put)
        self.downloads.on_change = self.changes.append
        self.downloads.on_done = self.entries.append

    def connect(self) -> Connection:
        self.connections += 1
        return Connection(self.server.url, offline=self.settings["offline"], limits=QUICK)

    def until(self, is_so: Callable[[], object], seconds: float = 20.0) -> None:
        """Take what is posted until something is so."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, self.downloads.all
            try:
                self._posted.get(timeout=0.02)()
            except queue.Empty:
                continue

    def state(self, name: str = "owner/a") -> str:
        return next((each.state for each in self.downloads.all if each.name == name), "")

    def shown(self) -> list[tuple[Download, ...]]:
        return [change.downloads for change in self.changes if isinstance(change, DownloadsChanged)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serve() as server:
        made = Desk(server, tmp_path)
        yield made
        made.downloads.close()
        deadline = time.monotonic() + 10
        while any(each.name == "download" for each in threading.enumerate()):
            assert time.monotonic() < deadline, "a download outlived its queue"
            time.sleep(0.01)


def test_nothing_is_asked_before_a_person_asks(desk: Desk) -> None:
    time.sleep(0.1)
    assert (desk.connections, desk.server.asked, desk.changes) == (0, [], [])


def test_a_download_becomes_an_entry(desk: Desk) -> None:
    desk.server.bytes_per_s = 6 * STEP
    desk.downloads.get("owner/a")
    assert desk.settings["downloads"] == ("owner/a@main",)
    desk.until(lambda: desk.state() == "done")
    [entry] = desk.entries
    assert (entry.name, entry.source, entry.architecture) == ("owner/a", "cache", "LlamaForCausalLM")
    [last] = desk.downloads.all
    assert (last.path, last.done) == (str(entry.path), last.total)
    seen = [each[0] for each in desk.shown()]
    assert [each.state for each in seen][:2] == ["waiting", "fetching"]
    assert all(a.done <= b.done for a, b in pairwise(seen))
    assert desk.settings["downloads"] == ()


def test_a_name_that_has_moved_leaves_nothing_behind(desk: Desk) -> None:
    """The hub answers with the name of today, under which the cache keeps it: gpt2 is openai-community/gpt2."""
    desk.server.models["old-name"] = Model(desk.server.models["owner/a"].files, listed={"id": "owner/a"})
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("old-name")
    desk.until(lambda: any(each.done > STEP for each in desk.downloads.all))
    assert desk.settings["downloads"] == ("owner/a@main",)
    desk.downloads.pause("old-name")
    desk.until(lambda: desk.downloads._run is None)
    assert list(desk.cache.rglob("*.incomplete"))
    desk.downloads.cancel("old-name")
    desk.until(lambda: not (desk.cache / "models--owner--a").exists())
    assert desk.settings["downloads"] == ()


def test_one_at_a_time_in_order(desk: Desk) -> None:
    desk.server.bytes_per_s = 8 * STEP
    desk.downloads.get("owner/a")
    desk.downloads.get("owner/b")
    desk.downloads.get("owner/a")  # it is there already
    desk.until(lambda: desk.state("owner/b") == "done")
    active = [[each.name for each in all_ if each.state in ("fetching", "checking")] for all_ in desk.shown()]
    assert max(map(len, active)) == 1
    assert [entry.name for entry in desk.entries] == ["owner/a", "owner/b"]


def test_pause_and_resume(desk: Desk) -> None:
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.downloads.all[0].done > STEP + 500_000)
    desk.downloads.pause("owner/a")
    assert desk.state() == "paused"
    done = desk.downloads.all[0].done
    desk.server.trickles_after = 0
    desk.downloads.resume("owner/a")
    assert desk.downloads.all[0].done == done  # the bar does not go back
    desk.until(lambda: desk.state() == "done")
    licence = [each for each in desk.server.asked if each.path.endswith("LICENSE")]
    assert [each.headers.get("range") for each in licence] == [None, f"bytes={STEP}-"]


def test_pause_while_the_server_says_nothing(desk: Desk) -> None:
    desk.server.api_faults = ["hang"]
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.server.asked)
    desk.downloads.pause("owner/a")
    assert desk.state() == "paused"
    desk.downloads.get("owner/b")
    desk.until(lambda: desk.state("owner/b") == "done", seconds=5)


def test_a_paused_download_is_there_at_the_next_start_and_asks_nothing(desk: Desk) -> None:
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.downloads.all[0].done > STEP)
    desk.downloads.close()
    asked = len(desk.server.asked)
    desk.settings = Settings(desk.folder / "settings.toml")
    desk.open()
    assert desk.downloads.all == (Download("owner/a", "main", "paused"),)
    time.sleep(0.1)
    assert len(desk.server.asked) == asked
    desk.server.trickles_after = 0
    desk.downloads.resume("owner/a")
    desk.until(lambda: desk.state() == "done")


def test_cancel_removes_what_has_come(desk: Desk) -> None:
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.downloads.all[0].done > STEP)
    desk.downloads.cancel("owner/a")
    assert (desk.downloads.all, desk.settings["downloads"]) == ((), ())
    desk.until(lambda: not snapshots.folder(desk.cache, "owner/a").exists())
    desk.server.trickles_after = 0
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.state() == "done")


def test_one_that_was_whole_before_it_was_cancelled_is_done(desk: Desk) -> None:
    """Else it would lie in the cache unseen, or a model that was there before would be removed."""
    desk.downloads.get("owner/a")
    run = desk.downloads._run
    assert run is not None
    run.thread.join(20)  # what it says has not been heard yet
    desk.downloads.cancel("owner/a")
    assert desk.state() == ""
    desk.until(lambda: desk.downloads._run is None)
    assert (desk.state(), [entry.path.parent.parent.name for entry in desk.entries]) == ("done", ["models--owner--a"])
    assert (desk.entries[0].path / "config.json").is_file()
    desk.downloads.cancel("owner/a")
    assert (desk.downloads.all, desk.settings["downloads"]) == ((), ())
    assert (desk.entries[0].path / "config.json").is_file()


def test_cancel_of_a_paused_one_and_at_once_again(desk: Desk) -> None:
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.downloads.all[0].done > STEP)
    desk.downloads.pause("owner/a")
    desk.downloads.cancel("owner/a")
    desk.server.trickles_after = 0
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.state() == "done")
    assert wrong_bytes(desk.cache) == []


def test_a_done_one_only_leaves_the_list(desk: Desk) -> None:
    desk.downloads.get("owner/b")
    desk.until(lambda: desk.state("owner/b") == "done")
    desk.downloads.cancel("owner/b")
    assert desk.downloads.all == ()
    assert desk.entries[0].path.is_dir()


def test_a_failure_has_its_sentence_and_can_be_tried_again(desk: Desk) -> None:
    desk.server.api_faults = ["500"]
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.state() == "failed")
    notice = desk.downloads.all[0].notice
    assert notice is not None
    assert (notice.fault, notice.action) == (Fault.HUB_SERVER, "retry")
    assert desk.settings["downloads"] == ("owner/a@main",)
    desk.downloads.resume("owner/a")
    desk.until(lambda: desk.state() == "done")


def test_a_failure_does_not_hold_up_the_next(desk: Desk) -> None:
    desk.downloads.get("owner/none")
    desk.downloads.get("owner/b")
    desk.until(lambda: desk.state("owner/b") == "done")
    assert desk.state("owner/none") == "failed"


def test_another_revision_takes_the_place_of_one_under_way(desk: Desk) -> None:
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.downloads.all[0].done > STEP)
    desk.downloads.get("owner/a", COMMIT)
    assert [(each.revision, each.state) for each in desk.downloads.all] == [(COMMIT, "waiting")]
    desk.server.trickles_after = 0
    desk.until(lambda: desk.state() == "done")
    assert [each.revision for each in desk.downloads.all] == [COMMIT]
    assert not (snapshots.folder(desk.cache, "owner/a") / "refs" / "main").exists()


def test_trouble_on_the_way_is_shown(desk: Desk) -> None:
    desk.server.faults = ["", "cut:1"]  # also of the smallest file, two bytes, whichever comes second
    desk.downloads.get("owner/a")
    desk.until(lambda: desk.state() == "done")
    troubles = [all_[0].notice for all_ in desk.shown() if all_[0].state == "trying"]
    assert [notice.fault for notice in troubles if notice] == [Fault.HUB_UNREACHABLE]


def test_offline_stops_everything_and_asks_nothing(desk: Desk) -> None:
    desk.server.trickles_after = STEP + 1_000_000
    desk.downloads.get("owner/a")
    desk.downloads.get("owner/b")
    desk.until(lambda: desk.downloads.all[0].done > STEP)
    desk.settings["offline"] = True
    assert [each.state for each in desk.downloads.all] == ["paused", "paused"]
    time.sleep(0.3)
    asked = len(desk.server.asked)
    desk.downloads.resume("owner/b")
    desk.until(lambda: desk.state("owner/b") == "failed")
    assert desk.downloads.all[-1].notice.fault is Fault.HUB_OFFLINE  # type: ignore[union-attr]
    failures: list[UserError] = []
    desk.hub.search("owner", print, failures.append)
    desk.until(lambda: failures)
    assert len(desk.server.asked) == asked


# -- looking -----------------------------------------------------------------------------------------------------------


def test_search_and_look(desk: Desk) -> None:
    desk.server.models["owner/a"].listed = {"config": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}}
    found: list[list[Found]] = []
    looked: list[Repository] = []
    cards: list[str] = []
    desk.hub.search("owner", found.append, pytest.fail)
    desk.until(lambda: found)
    desk.hub.look("owner/a", looked.append, pytest.fail)
    desk.hub.card("owner/a", cards.append, pytest.fail)
    desk.until(lambda: looked and cards)
    previews: list[Checked] = []
    desk.hub.preview(looked[0], previews.append, pytest.fail)
    desk.until(lambda: previews)
    made = safety.check(desk.folder / "made")
    assert footprint.measure(previews[0]) == footprint.measure(made)
    assert (previews[0].dtype, previews[0].parameters, previews[0].context_length) == (
        made.dtype,
        made.parameters,
        made.context_length,
    )
    assert [each.name for each in found[0]] == ["owner/a"]
    assert looked[0].size_bytes > 2 * STEP
    assert cards == [""]


def test_only_the_last_search_answers(desk: Desk) -> None:
    desk.server.api_faults = ["hang"]
    answers: list[str] = []
    desk.hub.search("first", lambda _: answers.append("first"), lambda _: answers.append("first failed"))
    desk.until(lambda: desk.server.asked)
    desk.hub.search("second", lambda _: answers.append("second"), pytest.fail)
    desk.until(lambda: answers)
    begun = time.monotonic()
    desk.until(lambda: time.monotonic() - begun > QUICK.silence_s + 0.3)  # until the first has given up, too
    assert answers == ["second"]


def test_the_token_is_kept_for_the_hub(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[str, ...]] = []
    monkeypatch.setattr(tokens, "keep", lambda host, token: kept.append((host, token)))
    monkeypatch.setattr(tokens, "forget", lambda host: kept.append((host,)))
    ended: list[bool] = []
    desk.hub.keep_token("hf_x", lambda: ended.append(True), pytest.fail)
    desk.until(lambda: len(ended) == 1)
    desk.hub.keep_token(" ", lambda: ended.append(True), pytest.fail)
    desk.until(lambda: len(ended) == 2)
    assert kept == [("127.0.0.1", "hf_x"), ("127.0.0.1",)]
    assert desk.server.asked == []


def test_the_rate_is_of_the_last_seconds() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    shown = []
    for second in range(20):
        now = float(second)
        speed = 100 if second < 10 else 1000
        fetched = second * 100 if second < 10 else 900 + (second - 9) * speed
        shown.append(rate.add(Step(5_000 + fetched, 40_000, "f", fetched)))
    assert shown[0] == (0.0, None)
    assert shown[5] == (100.0, 34_500 / 100)
    assert shown[-1][0] == 1000.0
