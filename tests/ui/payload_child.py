"""The whole program, made to show each payload at each place where a text of others can stand; for `test_payloads`.

``python payload_child.py FOLDER CANARIES URL EVERY``: each EVERY-th is also opened in a conversation of its own
and told in an error; the other places get them all. With ``plant`` for EVERY, careless widgets show them instead,
so that the test sees that it would notice.
"""

import contextlib
import itertools
import json
import os
import sys
import time
import traceback
import urllib.request
from pathlib import Path

from PySide6.QtCore import QEventLoop, QMimeData, QPoint, Qt, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QMessageBox, QTextBrowser, QToolTip, QWidget

from chatdesk import app
from chatdesk.errors import Fault, UserError
from chatdesk.library.catalogue import Entry
from chatdesk.library.hub import Found
from chatdesk.paths import Profile
from chatdesk.storage.records import Attachment
from chatdesk.storage.transfer.store import Imported
from chatdesk.storage.transfer.trees import Reason, Skipped
from chatdesk.tasks.changes import (
    AttachingFailed,
    AttachmentsChanged,
    Download,
    DownloadsChanged,
    ListChanged,
    ModelChanged,
    Notice,
    NoticeChanged,
    Opened,
    Renamed,
    ReplyingChanged,
)
from chatdesk.ui.pdf import PdfExport
from chatdesk.ui.shortcuts import KeyedAction
from tests.ui.payloads import payloads


class Visitor:
    """Drives one window; ``last``: the newest change of each kind."""

    def __init__(self, folder, texts, every):
        self.folder, self.texts, self.every = folder, texts, every
        reply = "\n\n".join(text[:2_000] for text in texts)  # a command is not much longer
        script = {"tokens": [reply[at : at + 997] for at in range(0, len(reply), 997)]}
        command = [sys.executable, "-P", "-m", "chatdesk.engine.host", "--fake", json.dumps(script)]
        self.desk = app.assemble(Profile(folder / "profile"), command)
        self.window, self.chat = self.desk.window, self.desk.chat
        self.shelf = self.window.shelving._shelf
        self.last = {}
        self.chat.on_change = self.desk.models.on_change = self.seen
        self.window.resize(1280, 900)
        self.window.show()
        self.window.start()
        self.wait(lambda: ListChanged in self.last)

    def seen(self, change):
        self.last[type(change)] = change
        self.window.apply(change)

    def wait(self, until=lambda: True, most_s=60.0):
        end = time.monotonic() + most_s
        loop = QEventLoop()
        while True:
            QTimer.singleShot(5, loop.quit)
            loop.exec()
            if until():
                return
            assert time.monotonic() < end, f"waited in vain: {until}"

    def run(self):
        for part in (
            self.take_in,
            self.look_at_the_list,
            self.look_at_conversations,
            self.look_at_boxes,
            self.look_at_files,
            self.look_at_models,
            self.say_faults,
            self.write_out,
            self.talk,
        ):
            part()
            print(part.__name__, f"{time.process_time():.1f} s", flush=True)
        self.window.close()
        self.desk.close()

    def take_in(self):
        """By an import: titles, folders, both roles, names and texts of attachments, system prompts, model names."""
        number = itertools.count()

        def message(parent, role, text, **more):
            fields = {"id": f"{next(number):032x}", "parent_id": parent, "role": role, "text": text}
            return fields | {"created_at": 1e9} | more

        conversations = []
        for text in self.texts:
            files = [{"name": text, "text": text}]
            asked = message(None, "user", text, attachments=files)
            said = message(asked["id"], "assistant", text, provenance={"model": text, "device": text, "dtype": text})
            conversations.append({
                "id": f"{next(number):032x}", "title": text, "folder": text[:200], "settings": {"system_prompt": text},
                "messages": [asked, said],
            })  # fmt: skip
        parent, whole = None, []
        for text, role in itertools.product(self.texts, ("user", "assistant")):
            whole.append(message(parent, role, text))
            parent = whole[-1]["id"]
        self.whole = f"{next(number):032x}"
        conversations.append({"id": self.whole, "title": "all", "messages": whole})
        path = self.folder / "import.json"
        document = {"format": "chatdesk-export", "version": 1, "conversations": conversations}
        path.write_text(json.dumps(document), encoding="utf-8")
        taken = []
        self.shelf.import_file(path, taken.append)
        self.wait(lambda: taken and len(self.last[ListChanged].conversations) == len(conversations))
        assert len(taken[0].new) == len(conversations), taken

    def tips(self):
        """As if the pointer rested on each thing."""
        for words in {widget.toolTip() for widget in self.window.findChildren(QWidget)}:
            self.tip(words)
        QToolTip.hideText()

    def tip(self, words):
        QToolTip.showText(QPoint(9, 9), words, self.window)
        QApplication.processEvents()

    def look_at_the_list(self):
        view = self.window.page.list.view
        model = view.model()
        for row in range(model.rowCount()):
            index = model.index(row)
            view.scrollTo(index)
            self.tip(index.data(Qt.ItemDataRole.ToolTipRole) or "")
        assert model.rowCount() > 2 * len(self.texts)

    def look_at_conversations(self):
        for text in self.texts:
            self.seen(Renamed(text))
            self.tip(self.window.page.header.title.toolTip())
        small = [found for found in self.last[ListChanged].conversations if found.id != self.whole]
        for conversation in small[:: self.every]:
            self.show(conversation.id)
            self.tip(self.window.page.header.title.toolTip())
        self.show(self.whole)
        self.wait(lambda: len(self.window.page.transcript.entries()) == 2 * len(self.texts))  # the end comes first
        turns = [entry.turn for entry in self.window.page.transcript.entries()]
        transcript = self.window.page.transcript
        for turn in turns:
            transcript.go_to(turn.id)
            QApplication.processEvents()
        transcript.edit(turns[10].id)
        self.wait()
        self.tips()

    def show(self, id):
        self.last.pop(Opened, None)
        self.chat.open(id)
        self.wait(lambda: Opened in self.last)

    def look_at_boxes(self):
        for name in ("branches", "prompt", "palette", "find", "search"):
            next(action for action in self.window.findChildren(KeyedAction) if action.name == name).trigger()
            self.wait()
            if name == "search":
                box = self.window.focusWidget()
                for words in ("canary", "img", "script"):
                    box.setText(words)
                    self.wait()
            self.tips()
            self.dismiss()
        for conversation in self.last[ListChanged].conversations[:60]:
            if conversation.id != self.whole:
                self.chat.delete(conversation.id)
        self.wait(lambda: len(self.last[ListChanged].conversations) < len(self.texts) - 40)
        self.window.shelving.open_trash()
        self.wait()
        self.dismiss()
        self.window.show_page("settings")
        self.wait()
        self.tips()
        self.window.show_page("chat")

    def look_at_files(self):
        """Files beside the unsent text, why others are not, and the text of one on its own."""
        for at in range(0, len(self.texts), 20):
            files = tuple(Attachment(text, text) for text in self.texts[at : at + 20])
            self.seen(AttachmentsChanged(files, (None,) * len(files)))
            notices = tuple(Notice(Fault.ATTACHMENTS_TOO_MANY, {"name": file.name, "most": "20"}) for file in files)
            self.seen(AttachingFailed(notices))
            self.tips()
        for text in self.texts[:: self.every]:
            self.window.page.file_wanted.emit(Attachment(text, text))
            self.wait()
            assert any(dialog.isVisible() for dialog in self.window.findChildren(QDialog))
            self.dismiss()
        self.seen(AttachmentsChanged((), ()))
        self.seen(AttachingFailed(()))

    def look_at_models(self):
        """Names, facts, faults and cards of checkpoints; what a hub says; downloads."""
        self.desk.settings["offline"] = True
        self.window.show_page("models")
        page = self.window.models_page
        self.wait(lambda: page.local.model.paths())
        entries = []
        for at, text in enumerate(self.texts):
            fault = UserError(Fault.BROKEN_CONFIG, file=text, reason=text) if at % 2 else None
            facts = {"architecture": text, "dtype": text, "licence": text, "fault": fault}
            entries.append(Entry(text, Path(f"/nowhere/{at}"), "cache", **facts))
        page.local._show_entries(entries)
        for at in range(0, len(entries), self.every):
            page.local._choose(f"/nowhere/{at}")
            page.local.details.show_card(self.texts[at])
            self.wait()
            self.tips()
        assert page.local.details.entry.path != Path("/nowhere/0")
        page.hub_tab.click()
        page.hub._show_found([Found(text, text, 1, 1, 1, text, True, True, text) for text in self.texts])
        for at in range(0, len(entries), self.every):
            page.hub.view.setCurrentIndex(page.hub.entries.index(at))
            page.hub.details.show_error(UserError(Fault.HUB_GATED, name=self.texts[at], url=self.texts[at]))
            page.hub.details.show_card(self.texts[at])
            self.wait()
            self.tips()
        failed = [
            Download(text, "main", "failed", notice=Notice(Fault.CHAT_TEMPLATE, {"reason": text}))
            for text in self.texts
        ]
        self.seen(DownloadsChanged(tuple(failed)))
        self.wait()
        self.tips()
        self.seen(DownloadsChanged(()))
        self.window.show_page("chat")

    def dismiss(self):
        for dialog in self.window.findChildren(QDialog):
            dialog.close()
        self.window.page.setFocus()
        self.wait()

    def say_faults(self):
        self.chat.new()
        self.wait()
        for text in self.texts[:: self.every]:
            self.seen(NoticeChanged(Notice(Fault.IMPORT_UNREADABLE, {"path": text, "reason": text})))
            self.seen(ModelChanged("loading", name=text, path=text, total=9))
            QApplication.processEvents()
            self.seen(ModelChanged("failed", name=text, notice=Notice(Fault.FILE_NOT_FOUND, {"path": text})))
            QApplication.processEvents()
        self.tips()
        skipped = tuple(Skipped(text, Reason.NOT_JSON) for text in self.texts)
        self.window.shelving._imported(Imported(("a",), (), (), skipped))
        self.window.page._on_link_clicked("https://127.0.0.1/" + self.texts[0])
        self.wait()
        assert self.window.findChildren(QMessageBox)
        self.dismiss()

    def write_out(self):
        done = []
        for kind in ("html", "markdown", "json"):
            self.shelf.export(self.folder / f"all.{kind}", "branch", kind, self.whole, done.append)
        pdf = self.folder / "all.pdf"
        self.shelf.html_for_print("branch", self.whole, lambda html: PdfExport(html, pdf, done.append, self.window))
        self.wait(lambda: len(done) == 4)
        assert done == [None] * 4

    def talk(self):
        """Paste them all, send them, and get them back, word for word."""
        self.desk.models.load("fake:model")
        self.wait(lambda: self.last[ModelChanged].state == "ready")
        self.chat.new()
        self.wait()
        mime = QMimeData()
        mime.setHtml(" ".join(self.texts))
        mime.setText("\n".join(self.texts))
        self.window.page.composer._editor.insertFromMimeData(mime)
        self.wait()
        self.last.pop(ReplyingChanged, None)
        self.chat.send("\n".join(self.texts))
        self.wait(lambda: ReplyingChanged in self.last and not self.last[ReplyingChanged].replying)
        self.tips()


class Careless(QTextBrowser):
    """Loads whatever a text names."""

    def loadResource(self, kind, name):
        if name.scheme() == "http":
            with contextlib.suppress(OSError), urllib.request.urlopen(name.toString()) as answer:
                return QImage.fromData(answer.read())
        return super().loadResource(kind, name)


def plant(texts):
    qt = QApplication([])
    for text in texts:
        label, browser = QLabel(text[:500]), Careless()
        browser.setHtml(text[:500])
        for widget in (label, browser):
            widget.show()
            qt.processEvents()


def main(folder, canaries, url, every):
    texts = payloads(canaries, url)
    if every == "plant":
        plant(texts)
    else:
        Visitor(Path(folder), texts, int(every)).run()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # threads of the window would go on
