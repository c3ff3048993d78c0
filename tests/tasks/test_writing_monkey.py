"""A hasty person at the writing desk: random steps while the store answers late and the disk is full now and then.

Whatever the order, each document holds the words that were typed into it last.
"""

import random

import pytest

from chatdesk.engine.api import (
    DEFAULT_SAMPLING,
    Count,
    Counted,
    DraftFinished,
    Failed,
    Finished,
    Generate,
    Started,
    TokenEvent,
)
from chatdesk.errors import Fault, UserError
from chatdesk.storage.documents import Documents
from chatdesk.tasks import writing_changes as w
from tests.tasks.writing_desk import WritingDesk


class Disk:
    """``is_full``: it takes no words."""

    is_full = False


class Monkey(WritingDesk):
    """``typed``: the last words of each document."""

    def __init__(self, folder, seed, disk):
        self.some, self.disk = random.Random(seed), disk
        self.typed, self.is_saved, self.said = {}, True, 0
        self.ended = set()  # requests
        super().__init__(folder)
        self.load()

    def take(self, change):
        super().take(change)
        match change:
            case w.DocumentOpened(document, words):
                assert words.text == self.typed.setdefault(document.id, words.text)
            case w.SavedChanged(is_saved):
                self.is_saved = is_saved

    def play(self, steps):
        for _ in range(steps):
            self.said += 1
            self.some.choice(self.steps())()
            if self.some.random() < 0.5:
                self.some_answers(self.some.randrange(4))

    def some_answers(self, most):
        self.store.submit(lambda c: None).result()
        while most and not self._posted.empty():
            most -= 1
            self._posted.get()()

    def steps(self):
        desk, some = self.writing, self.some
        ids = self.store.submit(lambda c: [each.id for each in c.documents.list()]).result()
        found = [
            *[desk.tick] * 2, desk.new, desk.undo, desk.keep_version, lambda: desk.go_on(self.text, ""),
            desk.generating.stop, *[self.speak] * 2, lambda: self.some_answers(some.randrange(5)),
            lambda: desk.set_setting("temperature", some.random()), self.fill, self.build_anew,
        ]  # fmt: skip
        if ids:
            found.append(lambda: desk.open(some.choice(ids)))
        if (document := desk.document) is not None:
            found += [
                *[lambda: self.type_more(document.id)] * 4, lambda: desk.delete(document.id),
                lambda: desk.rename(document.id, f"T{self.said}"), lambda: desk.set_folder(document.id, "F"),
            ]  # fmt: skip
        return found

    def type_more(self, id):
        self.typed[id] = f"{self.text[-20:]}{self.said} "
        self.type(self.typed[id])

    def fill(self):
        self.disk.is_full = self.some.random() < 0.5

    def build_anew(self):
        """Another language: the editor goes, and another one comes."""
        id = self.writing.document.id if self.writing.document else ""
        self.writing.close()
        self.text = ""
        self.writing.start(id)

    def speak(self):
        """The engine says a bit more; whether there was something to be said."""
        waiting = [each for each in self.engine.requests if isinstance(each, Generate | Count)]
        waiting = [each for each in waiting if each.id not in self.ended]
        for request in waiting:
            self.say_of(request)
        return bool(waiting)

    def say_of(self, request):
        is_over = request.id in self.engine.cancelled or self.some.random() < 0.4
        if self.some.random() < 0.1:
            said = [Failed(request.id, Fault.ENGINE_DIED, {"reason": "x"})]
        elif isinstance(request, Count):
            said = [Counted(request.id, 3)]
        elif is_over:
            said = [DraftFinished(request.id, 0, "stop"), Finished(request.id, 2, 0, 2, 0.1, 9.0)]
        else:
            said = [Started(request.id, (1,), DEFAULT_SAMPLING, 1), TokenEvent(request.id, 0, 5, "word ", -1.0, -1.0)]
        if isinstance(said[-1], Failed | Counted | Finished):
            self.ended.add(request.id)
        for event in said:
            self.writing.on_event(event)

    def end(self):
        """There is room again, and all comes to its end."""
        self.disk.is_full = False
        for _ in range(4):
            self.settle()
            self.tick()
            while self.speak():
                self.settle()

    def check(self):
        assert self.writing.document is not None
        assert (self.is_saved, self.writing.generating.is_busy) == (True, False)
        assert {id: self.stored(id).text for id in self.typed} == self.typed
        assert self.text == self.typed[self.writing.document.id]
        assert (self.writing._left, self.writing._newest) == ({}, {})
        documents = self.store.submit(lambda c: c.documents.list()).result()
        listed = self.newest(w.DocumentsChanged).documents
        assert {(each.id, each.title) for each in listed} == {(each.id, each.title) for each in documents}


def run(folder, seeds, monkeypatch):
    save, disk = Documents.save, Disk()

    def maybe(documents, *words):
        if disk.is_full:
            raise UserError(Fault.DISK_FULL, path="x")
        save(documents, *words)

    monkeypatch.setattr(Documents, "save", maybe)
    for seed in seeds:
        monkey = Monkey(folder / str(seed), seed, disk)
        try:
            for _ in range(3):
                monkey.play(25)
                monkey.end()
                monkey.check()
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        finally:
            disk.is_full = False
            monkey.close()


def test_a_hasty_person(tmp_path, monkeypatch):
    run(tmp_path, range(12), monkeypatch)


@pytest.mark.soak
def test_many_hasty_people(tmp_path, monkeypatch):
    run(tmp_path, range(12, 2000), monkeypatch)
