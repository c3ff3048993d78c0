"""Files in any order of operations: what is shown, what is stored and what was sent are what was meant."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import AttachmentsChanged
from tests.tasks.desk import Desk

FILES = tuple(Attachment(f"{letter}.txt", letter * 3) for letter in "abcd")


class Orders(RuleBasedStateMachine):
    """Two conversations at most; the model of each is the list of its unsent files and of those of its messages."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.desk = Desk(self.folder)
        self.unsent: dict[str, list[Attachment]] = {}
        self.sent: dict[str, list[tuple[Attachment, ...]]] = {}
        self.taken: tuple[int, Attachment] | None = None

    def teardown(self) -> None:
        self.what_is_stored_is_meant()
        self.desk.close()
        shutil.rmtree(self.folder)

    @property
    def here(self) -> str:
        return self.desk.chat.open_id

    def files(self) -> list[Attachment]:
        return self.unsent.setdefault(self.here, [])

    def settle(self) -> None:
        """A conversation that is new in the store is the one that was not stored before."""
        self.desk.settle()
        stored = {found.id for found in self.desk.store.submit(lambda c: c.list()).result()}
        for id in stored - self.unsent.keys():
            self.unsent[id] = self.unsent.pop("", [])

    @rule()
    def tick(self) -> None:
        self.desk.chat.tick()
        self.settle()

    @rule(file=st.sampled_from(FILES))
    def attach(self, file: Attachment) -> None:
        shown = self.desk.chat._open.unsent.files
        self.desk.chat._open.set_files(shown if file in shown else (*shown, file))
        if file not in self.files():
            self.files().append(file)

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.files()) - 1))
        self.desk.chat.detach(number)
        self.taken = number, self.files().pop(number)

    @precondition(lambda self: self.taken)
    @rule()
    def undo(self) -> None:
        self.desk.chat.undo()
        number, file = self.taken
        if file not in self.files():
            self.files().insert(number, file)
        self.taken = None

    @rule(words=st.sampled_from(["", "Look"]), ticks=st.booleans())
    def send(self, words: str, ticks: bool) -> None:
        if not words and not self.files():
            return
        files = tuple(self.files())
        self.desk.chat.send(words)
        if ticks:  # before the store has answered
            self.desk.chat.tick()
        self.settle()
        self.unsent[self.here] = []
        self.sent.setdefault(self.here, []).append(files)
        self.taken = None

    @precondition(lambda self: self.here and self.files())
    @rule()
    def send_to_a_full_disk(self) -> None:
        def full(*_: object, **__: object) -> None:
            raise UserError(Fault.DISK_FULL, path="/data")

        real, Conversations.add_message = Conversations.add_message, full  # type: ignore[method-assign]
        try:
            self.desk.chat.send("Look")
            self.desk.settle()
        finally:
            Conversations.add_message = real  # type: ignore[method-assign]

    @rule()
    def go_elsewhere(self) -> None:
        others = [id for id in self.unsent if id and id != self.here]
        self.taken = None
        if others:
            self.desk.chat.open(others[0])
        else:
            self.desk.chat.new()
        self.settle()

    @rule()
    def open_again(self) -> None:
        if self.here:
            self.desk.chat.open(self.here)
            self.settle()
            self.taken = None

    @rule()
    def restart(self) -> None:
        self.tick()
        home, self.taken = self.here, None
        self.desk.close()
        self.desk = Desk(self.folder)
        if home:
            self.desk.chat.open(home)
            self.desk.settle()

    @invariant()
    def what_is_shown_is_meant(self) -> None:
        assert self.desk.last(AttachmentsChanged).files == tuple(self.files())

    @rule()
    def what_is_stored_is_meant(self) -> None:
        self.tick()
        for id, files in self.unsent.items():
            if id:
                assert self.desk.store.submit(lambda c, id=id: c.unsent_attachments(id)).result() == tuple(files)
                branch = self.desk.store.submit(lambda c, id=id: c.branch(id)).result()
                assert [message.attachments for message in branch] == self.sent.get(id, [])


TestOrders = Orders.TestCase
# shrinking would take minutes, and the steps of a failure are few enough to read
TestOrders.settings = settings(max_examples=60, stateful_step_count=20, deadline=None, phases=[Phase.generate])
