"""What the desk asks and shows in windows of its own: files in and out, history, trash, prompts."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFileDialog

from chatdesk.storage.transfer.files import file_name
from chatdesk.tasks.writing_prompts import Kind, WritingPrompt, WritingPrompts

if TYPE_CHECKING:
    from chatdesk.tasks.models import Models
    from chatdesk.tasks.writing import Writing
    from chatdesk.ui.writing.page import WritingPage


class Boxes(QObject):
    """Belongs to a page; `serve` connects its parts."""

    def __init__(self, page: "WritingPage", writing: "Writing", models: "Models", prompts: WritingPrompts) -> None:
        super().__init__(page)
        self._page, self._writing, self._models, self._prompts = page, writing, models, prompts

    def serve(self) -> None:
        """Follow the list and the header."""
        page = self._page
        page.list.trash_wanted.connect(self._show_trash)
        page.list.import_wanted.connect(self._choose_import)
        page.list.template_wanted.connect(lambda: self.show_prompts("template"))
        page.header.prompts_wanted.connect(lambda: self.show_prompts("selection"))
        page.header.export_wanted.connect(self._choose_export)

    def show_history(self) -> None:
        """The versions of the document."""
        from chatdesk.ui.writing.history import HistoryDialog

        HistoryDialog(self._page.window(), self._writing).open()

    def _show_trash(self) -> None:
        from chatdesk.ui.writing.trash import TrashDialog

        TrashDialog(self._page.window(), self._writing).open()

    def show_prompts(self, kind: Kind) -> None:
        """The prompts of a kind; a template can be filled and written."""
        from chatdesk.ui.writing.templates import PromptsDialog

        info = self._models.info
        is_chat = info is None or info.has_chat_template or bool(self._models.dialogue)
        dialog = PromptsDialog(self._page.window(), self._prompts, kind, is_chat)
        dialog.wanted.connect(self.begin_from)
        dialog.open()

    def begin_from(self, prompt: WritingPrompt, values: dict[str, str]) -> None:
        """A text from a template: in this document where it is empty, else in a new one."""

        def write() -> None:
            if headline := values.get("headline", "").strip():
                self._writing.rename(self._page.open_id, headline)
            self._writing.generating.begin(prompt, values, dict(self._writing.values))

        if not self._page.open_id or not self._page.editor.document().isEmpty():
            self._writing.new(then=write)
        else:
            write()

    def _choose_import(self) -> None:
        dialog = QFileDialog(self._page.window(), self.tr("Import a file"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setNameFilters([self.tr("Texts (*.txt *.md *.docx)"), self.tr("All files (*)")])
        dialog.fileSelected.connect(lambda path: self._writing.files.read(Path(path)))
        dialog.open()

    def _choose_export(self, ending: str) -> None:
        dialog = QFileDialog(self._page.window(), self.tr("Export"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(ending)
        dialog.setNameFilter(f"*.{ending}")
        title = self._page.header.title.text().strip() or self.tr("Untitled")
        dialog.selectFile(file_name(title, f".{ending}"))
        dialog.fileSelected.connect(lambda path: self.export(Path(path)))
        dialog.open()

    def export(self, path: Path) -> None:
        """Write the document into a file; its ending says how."""
        files = self._writing.files
        if path.suffix.lower() == ".pdf":
            from chatdesk.ui.pdf import PdfExport

            lines = self._page.editor.words().text.split("\n")
            body = "".join(f'<p style="white-space: pre-wrap">{html.escape(line) or "<br>"}</p>' for line in lines)
            body = f"<html><head></head><body>{body}</body></html>"
            PdfExport(body, path, lambda notice: files.wrote(path, notice), self._page.window())  # outlives the page
        else:
            files.write(path)
