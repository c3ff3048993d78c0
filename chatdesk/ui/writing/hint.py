"""The line under the text: what the model does, and what can be done with its words."""

from chatdesk.tasks import writing_changes as changes
from chatdesk.ui.widgets.labels import ElidedLabel
from chatdesk.ui.wording import grouped


class Hint(ElidedLabel):
    """Says one thing at a time."""

    def __init__(self) -> None:
        super().__init__(kind="small")
        self._started = ""

    def say_started(self, change: changes.WritingStarted, has_after: bool) -> None:
        """The model writes. ``has_after``: words stand behind the cursor."""
        parts = [self.tr("The model writes…")]
        if change.purpose == "continue" and has_after:
            parts.append(
                self.tr("it sees what follows, too") if change.fills else self.tr("it sees only what stands before")
            )
        if change.unseen:
            parts.append(
                self.tr("the first {count} characters are out of its sight").format(count=grouped(change.unseen))
            )
        if change.is_few_shot and change.purpose != "continue":
            parts.append(self.tr("a base model, from examples"))
        self._started = " · ".join(parts)
        self.set_words(self._started)

    def say_thinking(self, is_thinking: bool) -> None:
        """It thinks before it writes, or has thought."""
        self.set_words(self.tr("The model thinks…") if is_thinking else self._started)

    def say_ended(self, change: changes.WritingEnded, had_ghost: bool, has_ghost: bool) -> None:
        """Nothing more comes. ``had_ghost``: there was a place for words; ``has_ghost``: there are words at it."""
        if has_ghost:
            self.set_words(self.tr("Tab takes it, Ctrl+→ a word, Esc drops it, Ctrl+R writes another"))
        elif change.is_only_thought:
            self.set_words(self.tr("The model thought until its room was used up, and wrote nothing."))
        else:
            self.set_words(self.tr("The model had nothing to add.") if had_ghost else "")

    def say_file(self, change: changes.FileChanged) -> None:
        """A file is read or written, or is whole."""
        if change.share is None:
            self.set_words(self.tr("Written to {name}.").format(name=change.name))
            return
        words = self.tr("Writing {name}…") if change.is_written else self.tr("Reading {name}…")
        so_far = f" {change.share:.0%}" if change.share else ""
        self.set_words(words.format(name=change.name) + so_far)
