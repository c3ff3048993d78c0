"""Models of a hub in the window: searching, looking, downloading, the token. The hub is scripted."""

from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QInputDialog, QLineEdit, QScrollBar

from chatdesk.errors import Fault, UserError
from chatdesk.library.catalogue import Entry as Checkpoint
from chatdesk.library.fit import Place, Plan, Word
from chatdesk.library.hub import Found, RemoteFile, Repository
from chatdesk.library.safety import check
from chatdesk.paths import starter
from chatdesk.tasks.changes import Download, DownloadsChanged, Notice

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)

GB = 10**9
SMOL = Found("owner/smol", "LlamaForCausalLM", 1_234_567, 99, 1_700_000_000, "apache-2.0", False, True, "2026-02-03T04")
GATED = Found("owner/gated", "GemmaForCausalLM", 900, 1, 0, "gemma", True, False, "")
FILES = (RemoteFile("config.json", 700, "a" * 40), RemoteFile("model.safetensors", 3_400_000_000, "b" * 64))
REPOSITORY = Repository(
    "owner/smol", "main", "c" * 40, "apache-2.0", False, "LlamaForCausalLM", 1_700_000_000, {}, FILES
)
GPU = Place("cuda", "Big GPU", 24 * GB, 22 * GB, "bfloat16")
PLAN = Plan(GPU, "bfloat16", 8192, 32, 32, 14 * GB, GB, 0)


@pytest.fixture
def page(desk):
    desk.window.show_page("models")
    desk.window.models_page.hub_tab.click()
    return desk.window.models_page.hub


def search(desk, page, qtbot, *found):
    qtbot.keyClicks(page.field, "smol")
    qtbot.keyClick(page.field, Qt.Key.Key_Return)
    desk.hub.last("search")[1](list(found))


def looked_at(desk, page, qtbot):
    """One that was found, with its files, and what its headers say."""
    search(desk, page, qtbot, SMOL, GATED)
    desk.hub.last("look")[1](REPOSITORY)
    desk.hub.last("preview")[1](check(starter()))
    name, _, show = desk.models.calls[-1][1:]
    assert name == "owner/smol"
    return show


# -- searching ---------------------------------------------------------------------------------------------------------


def test_nothing_is_asked_before_a_person_asks(desk, page, qtbot):
    qtbot.keyClicks(page.field, "smol")
    page.kind.menu().actions()[1].trigger()
    assert desk.hub.calls == []
    page.field.clear()
    page.go.click()
    assert desk.hub.calls == []
    assert page.field.hasFocus()


def test_enter_asks_with_the_filters(desk, page, qtbot):
    page.kind.set_value("base")
    page.most.set_value(8 * GB)
    page.licence.set_value("mit")
    search(desk, page, qtbot, SMOL)
    text, _, _, kind, licence, most = desk.hub.last("search")
    assert (text, kind, licence, most) == ("smol", "base", "mit", 8 * GB)
    page.kind.menu().actions()[0].trigger()
    assert desk.hub.last("search")[3] == ""
    assert page.kind.accessibleName() == "Kind of model: chat or base"


def test_what_was_found(desk, page, qtbot):
    search(desk, page, qtbot, SMOL, GATED)
    rows = [page.entries.index(i).data(Qt.ItemDataRole.AccessibleTextRole) for i in range(2)]
    assert rows == [
        "owner/smol, Llama · 1.7B · chat template · apache-2.0, 1.2M downloads",
        "owner/gated, Gemma · base model · gemma · terms to accept, 900 downloads",
    ]
    assert page.note.isHidden()


def test_nothing_and_no_connection_are_said(desk, page, qtbot):
    search(desk, page, qtbot)
    assert page.note.text() == "Nothing on the hub that this program can run fits this."
    desk.hub.last("search")[2](UserError(Fault.HUB_OFFLINE, host="hub.test"))
    assert page.note.text().startswith("chatdesk is offline, so hub.test was not asked.")
    assert page.note.property("kind") == "danger"
    assert not page.details.isVisible()


# -- looking -----------------------------------------------------------------------------------------------------------


def test_files_sizes_and_the_plan_before_anything_is_fetched(desk, page, qtbot):
    show = looked_at(desk, page, qtbot)
    show([PLAN])
    details = page.details
    assert [label.words() for label in details.files.values] == ["config.json", "model.safetensors"]
    assert [title for title, _ in details.files.shown] == ["700 B", "3.4 GB"]
    assert details.download.text().strip() == "Download 3.4 GB"
    assert details.plan.text() == "Fits on the GPU in bf16 · 15 GB of 22 GB · context 8k"
    assert "2026-02-03" in [label.words() for label in details.facts.values]
    assert desk.downloads.calls == []


def test_what_will_not_fit_or_be_slow_is_said_loudly(desk, page, qtbot):
    show = looked_at(desk, page, qtbot)
    show([Plan(GPU, "bfloat16", 2048, 20, 32, 30 * GB, GB, 0, (Word.ON_CPU, Word.SHORT))])
    assert page.details.loud.text().splitlines() == [
        "Slow: some layers are on the CPU.",
        "Short context: the model's own does not fit.",
    ]
    show(UserError(Fault.DOES_NOT_FIT, name="owner/smol", needed="90 GB", total="64 GB"))
    assert "90 GB" in page.details.plan.text()
    assert page.details.plan.property("kind") == "danger"
    assert page.details.download.isVisible()  # another machine may read the same cache


def test_another_branch_is_looked_at_and_fetched(desk, page, qtbot):
    looked_at(desk, page, qtbot)
    qtbot.keyClicks(page.details.revision, "v1.1")
    page.details.download.click()
    assert desk.downloads.calls == [("get", "owner/smol", "main")]  # what is shown, not what is typed
    qtbot.keyClick(page.details.revision, Qt.Key.Key_Return)
    name, show, fail, revision = desk.hub.last("look")
    assert (name, revision) == ("owner/smol", "v1.1")
    fail(UserError(Fault.HUB_NO_REVISION, name="owner/smol", revision="v1.1"))
    assert "v1.1" in page.details.status.text()
    assert page.details.revision.isVisible()
    show(structs.replace(REPOSITORY, revision="v1.1"))
    page.details.download.click()
    assert desk.downloads.calls[1:] == [("get", "owner/smol", "v1.1")]
    page.view.setCurrentIndex(page.entries.index(1))
    assert desk.hub.last("look")[3] == "main"


def test_what_is_on_this_machine_is_marked(desk, page, qtbot):
    looked_at(desk, page, qtbot)
    assert page.details.here.isHidden()
    desk.models.checkpoints.entries.append(Checkpoint("owner/smol", Path("/cache/owner-smol"), "cache", "Llama"))
    say(desk, Download("owner/smol", "main", "done", 10, 10, path="/cache/owner-smol"))
    assert page.entries.index(0).data(Qt.ItemDataRole.AccessibleTextRole).endswith("apache-2.0, on this machine")
    assert page.view.currentIndex().row() == 0
    assert page.details.here.isVisible()
    looks = len([call for call in desk.hub.calls if call[0] == "look"])
    assert looks == 1  # it is not asked for again
    page.details.show_it.click()
    assert desk.window.models_page.local.isVisible()
    assert desk.window.models_page.local.details.name.text() == "owner/smol"


def test_the_card_is_inert_text(desk, page, qtbot):
    looked_at(desk, page, qtbot)
    desk.hub.last("card")[1]("<img src=http://tracker.test/x.png> **bold** \x1b]0;x\x07")
    qtbot.waitUntil(page.details.card.is_whole)
    assert page.details.card.toPlainText() == "<img src=http://tracker.test/x.png> **bold** ^[]0;x^G"


def test_answers_about_one_that_is_no_longer_chosen_count_for_nothing(desk, page, qtbot):
    search(desk, page, qtbot, SMOL, GATED)
    late = desk.hub.last("look")[1]
    page.view.setCurrentIndex(page.entries.index(1))
    late(REPOSITORY)
    assert page.details.name.text() == "owner/gated"
    assert page.details.download.isHidden()
    assert "preview" not in [call[0] for call in desk.hub.calls]


def test_a_gated_model_leads_to_the_token(desk, page, qtbot):
    search(desk, page, qtbot, GATED)
    desk.hub.last("look")[2](UserError(Fault.HUB_GATED, name="owner/gated", url="https://hub.test/owner/gated"))
    assert "Accept them at https://hub.test/owner/gated" in page.details.status.text()
    page.details.token.click()
    dialog = page.findChild(QInputDialog)
    assert dialog.textEchoMode() == QLineEdit.EchoMode.Password
    dialog.setTextValue("hf_secret")
    dialog.accept()
    token, kept, failed = desk.hub.last("keep_token")
    assert token == "hf_secret"
    failed(UserError(Fault.NO_KEYRING, reason="none"))
    assert page.note.text().startswith("The system has no keyring")
    looks = len([call for call in desk.hub.calls if call[0] == "look"])
    kept()
    assert page.note.text() == "The access token is kept."
    assert len([call for call in desk.hub.calls if call[0] == "look"]) == looks + 1


# -- downloads ---------------------------------------------------------------------------------------------------------


def say(desk, *downloads):
    desk.chat.say(DownloadsChanged(downloads))


def test_a_download_from_start_to_end(desk, page, qtbot):
    looked_at(desk, page, qtbot)
    page.details.download.click()
    assert desk.downloads.calls == [("get", "owner/smol", "main")]
    rows = desk.window.models_page.downloads
    assert rows.isHidden()
    say(desk, Download("owner/smol", "main", "fetching", 850_000_000, 3_400_000_000, 45_000_000.0, 57.0))
    row = rows.rows["owner/smol"]
    assert rows.isVisible()
    assert row.words.words() == "850 MB of 3.4 GB · 45 MB/s · 57 s left"
    assert row.bar.value() == 250
    assert row.pause.accessibleName() == "Pause the download of owner/smol"
    row.pause.click()
    say(desk, Download("owner/smol", "main", "paused", 850_000_000, 3_400_000_000))
    assert row.words.words() == "paused · 850 MB of 3.4 GB"
    row.resume.click()
    row.cancel.click()
    assert desk.downloads.calls[1:] == [("pause", "owner/smol"), ("resume", "owner/smol"), ("cancel", "owner/smol")]
    say(desk, Download("owner/smol", "main", "done", 3_400_000_000, 3_400_000_000, path="/cache/smol"))
    assert row.words.words() == "downloaded and checked · 3.4 GB"
    row.show_it.click()
    assert desk.window.models_page.local.isVisible()
    assert desk.window.models_page.local.details.name.text() == "SmolLM2-135M-Instruct"
    say(desk)
    assert rows.isHidden()


def test_what_is_coming_already_cannot_be_asked_for_again(desk, page, qtbot):
    looked_at(desk, page, qtbot)
    button = page.details.download
    for state, can_be_pressed in (("waiting", False), ("fetching", False), ("paused", True), ("failed", True)):
        say(desk, Download("owner/smol", "main", state))
        assert button.isEnabled() is can_be_pressed, state
    say(desk, Download("owner/smol", "other", "fetching"), Download("owner/gated", "main", "waiting"))
    assert button.isEnabled()
    say(desk, Download("owner/smol", "main", "fetching"))
    page.details.revision.setText("other")
    qtbot.keyClick(page.details.revision, Qt.Key.Key_Return)
    desk.hub.last("look")[1](structs.replace(REPOSITORY, revision="other"))
    assert button.isEnabled()


@pytest.mark.parametrize(
    ("download", "words"),
    [
        (Download("a/b", "main", "waiting"), "waiting for the others"),
        (Download("a/b", "main", "checking", GB, 2 * GB), "checking · 1.0 GB of 2.0 GB"),
        (Download("a/b", "main", "fetching", 0, 2 * GB, 1e6, 2000.0), "0 of 2.0 GB · 1.0 MB/s · 33 min left"),
        (Download("a/b", "main", "fetching", 0, 2 * GB, 1e5, 20000.0), "0 of 2.0 GB · 100 kB/s · 5.6 h left"),
        (
            Download(
                "a/b", "main", "trying", GB, 2 * GB, notice=Notice(Fault.HUB_SERVER, {"host": "h", "status": "503"})
            ),
            "trying again soon · 1.0 GB of 2.0 GB · h has a fault of its own (status 503). "
            "Try again later; what has come is kept.",
        ),
        (
            Download("a/b", "main", "failed", notice=Notice(Fault.DOWNLOAD_BUSY, {"file": "x", "name": "a/b"})),
            "Another program is fetching x of a/b just now. Wait until it has ended, then go on.",
        ),
    ],
)
def test_the_states_of_a_download_in_words(desk, page, download, words):
    say(desk, download)
    row = desk.window.models_page.downloads.rows["a/b"]
    assert row.words.words() == words
    assert row.resume.isHidden() is (download.state != "failed")


def test_unfinished_ones_of_the_last_time_are_shown_and_left_alone(desk):
    desk.downloads.all = (Download("owner/smol", "main", "paused"),)
    desk.window.show_page("models")
    assert desk.window.models_page.downloads.rows["owner/smol"].resume.isVisible()
    assert desk.downloads.calls == []


def test_many_downloads_do_not_push_the_page_away(desk, page):
    say(desk, *(Download(f"owner/{n}", "main", "waiting") for n in range(30)))
    assert desk.window.models_page.downloads.height() < desk.window.height() // 3
    say(desk, Download("owner/7", "main", "waiting"))
    assert list(desk.window.models_page.downloads.rows) == ["owner/7"]


# -- form --------------------------------------------------------------------------------------------------------------


def test_every_control_has_a_name(desk, page, qtbot):
    looked_at(desk, page, qtbot)([PLAN])
    say(desk, Download("owner/smol", "main", "failed", notice=Notice(Fault.CANCELLED, {})))
    whole = desk.window.models_page
    controls = [each for kind in (QAbstractButton, QLineEdit) for each in whole.findChildren(kind)]
    assert [c for c in controls if c.isVisible() and not (c.accessibleName() or getattr(c, "text", str)())] == []


def test_filters_go_on_in_a_further_line(desk, page, qtbot):
    desk.window.resize(500, 800)
    boxes = (page.kind, page.most, page.licence)
    page.licence.set_value("cc-by-nc-4.0")
    page.kind.set_words("a long name of a kind of model in another language, as long as half of the window")
    qtbot.waitUntil(lambda: page.licence.y() > page.kind.y())
    assert all(box.geometry().right() <= page.view.geometry().right() for box in boxes)
    assert not any(a.geometry().intersects(b.geometry()) for a, b in pairwise(boxes))


def test_find_goes_to_the_search_line(desk, page, qtbot):
    page.go.setFocus()
    qtbot.keyClick(desk.window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert page.field.hasFocus()


def test_narrow(desk, page, qtbot):
    looked_at(desk, page, qtbot)([PLAN])
    desk.window.resize(500, 800)
    qtbot.waitUntil(lambda: page.details.mapTo(page, page.details.rect().topLeft()).x() == 0)
    bar = page.details.horizontalScrollBar()
    assert isinstance(bar, QScrollBar)
    assert bar.maximum() == 0


def test_large_text_in_a_narrow_window_with_downloads(desk, page, qtbot):
    """Nothing lies over anything else."""
    desk.settings["text_size"] = 150
    say(desk, *(Download(f"owner/{n}", "main", "waiting") for n in range(3)))
    looked_at(desk, page, qtbot)([PLAN])
    desk.window.resize(700, 800)
    qtbot.waitUntil(lambda: page.details.mapTo(page, page.details.rect().topLeft()).x() == 0)
    qtbot.wait(50)
    line, filter_ = page.field.geometry(), page.kind.geometry()
    assert line.height() >= page.field.minimumSizeHint().height()
    assert line.bottom() < filter_.top()
    assert filter_.bottom() < page.view.geometry().top()
