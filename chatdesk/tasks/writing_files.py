"""Files into the desk and out of it: read and written aside, with words about how far that is."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chatdesk.errors import UserError
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.ports import Post, aside
from chatdesk.tasks.writing_changes import FileChanged, WritingNotice

if TYPE_CHECKING:  # what files need is imported when it is wanted: the window starts without it
    from chatdesk.tasks.papers import Paper
    from chatdesk.tasks.writing import Writing


class WritingFiles:
    """Says each `FileChanged`, or a `WritingNotice`, as the desk does. One thread; never blocks.

    A page may go away before a file is through, as another language builds it anew: the page that comes is told again.
    """

    def __init__(self, writing: "Writing", post: Post) -> None:
        self._writing, self._post = writing, post
        self._said: FileChanged | WritingNotice | None = None
        self._is_new_page = False

    def read(self, path: Path) -> None:
        """Make a document of a file and open it, or say why not."""
        from chatdesk.tasks import papers

        def then(paper: "Paper") -> None:
            self._said = None
            self._writing.new(paper.title, paper.text)

        progress = self._progress(path, is_written=False)
        aside(self._post, lambda: papers.read(path, progress), then, self._failed)

    def write(self, path: Path) -> None:
        """Write the open document into a file; its ending says how: .md, .docx, else plain text."""
        from chatdesk.tasks import papers

        document, text = self._writing.document, self._writing.words().text
        title = document.title if document else ""
        progress = self._progress(path, is_written=True)
        aside(self._post, lambda: papers.write(path, title, text, progress), lambda _: self.wrote(path), self._failed)

    def wrote(self, path: Path, notice: Notice | None = None) -> None:
        """Say that a file is whole, or why it is not."""
        self._say(WritingNotice(notice))
        if notice is None:
            self._say(FileChanged(path.name, is_written=True, share=None))

    def start(self) -> None:
        """Another page begins: once a document is open there, it is told."""
        self._is_new_page = True

    def opened(self) -> None:
        """A document is open, and what was said before is gone from the page."""
        is_new_page, self._is_new_page = self._is_new_page, False
        if is_new_page and self._said is not None:
            self._writing.on_change(self._said)
        else:
            self._said = None

    def _failed(self, error: UserError) -> None:
        self._say(WritingNotice(Notice(error.fault, error.fields)))

    def _progress(self, path: Path, is_written: bool) -> Callable[[float], None]:
        def say(share: float) -> None:
            self._say(FileChanged(path.name, is_written, share))

        say(0.0)
        return lambda share: self._post(lambda: say(share))

    def _say(self, change: FileChanged | WritingNotice) -> None:
        self._said = change
        self._writing.on_change(change)
