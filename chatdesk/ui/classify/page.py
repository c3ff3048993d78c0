"""The page that sorts texts by labels: a text or a file on one side, labels and results beside it."""

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from chatdesk.errors import UserError
from chatdesk.tasks.classify_files import LABEL, Table
from chatdesk.tasks.classifying import Classifier, State, Typed
from chatdesk.ui import theme
from chatdesk.ui.classify.labels_editor import LabelsEditor
from chatdesk.ui.classify.results import ReportView, ResultsModel, ResultsView
from chatdesk.ui.errors import sentence, sentence_of
from chatdesk.ui.widgets.buttons import ChoiceButton, IconButton, TextButton
from chatdesk.ui.widgets.dialogs import choose_place
from chatdesk.ui.widgets.frames import page_header, scrolled
from chatdesk.ui.widgets.labels import ElidedLabel, Label
from chatdesk.ui.widgets.raw_text import TextField, raw_text

_LIST_PX = 380
_BESIDE_PX = 820
_MOST_PX = 16_777_215
_TABLE_PX = 200  # least height: some rows
_KEEP_MS = 500
_NAME = 24  # characters of the name of a column


class ClassifyPage(QWidget):
    """Signals: ``back_wanted``. Attributes: ``back_button``; ``text``, one text; ``labels``; ``model`` and ``view`` of
    the results; ``report``; ``open_button``, ``start_button`` (begins, pauses, goes on), ``save_button``; ``note``.
    """

    back_wanted = Signal()

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.setObjectName("page")
        self._classifier = classifier
        self._table: Table | None = None  # of a file that is open; else the text counts
        self._path = Path()
        self._reading = 0  # counts the files that were to be opened: the last one counts
        self._truths: list[str] = []
        self._state = State(False, 0, 0)
        self.text = TextField()
        self.text.setTabChangesFocus(True)
        self.text.setPlaceholderText(self.tr("Type a text, or open a file of texts"))
        self.text.setAccessibleName(self.tr("Text to sort"))
        self.text.setFixedHeight(theme.scaled(96))
        self.open_button = TextButton(self.tr("Open a file…"), icon="folder")
        self.close_button = IconButton("close", self.tr("Close the file"), side=28, size=16)
        self.file_name = ElidedLabel(kind="soft")
        self._columns = QHBoxLayout()
        self._columns.setSpacing(theme.scaled(8))
        self.text_column: ChoiceButton | None = None
        self.label_column: ChoiceButton | None = None
        self.labels = LabelsEditor()
        self.start_button = TextButton(self.tr("Sort"), kind="primary")
        self.save_button = TextButton(self.tr("Save the table…"))
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(theme.scaled(6))
        self.note, self.count = Label(kind="soft", wrap=True), Label(kind="soft")
        self.model = ResultsModel()
        self.view = ResultsView(self.model)
        self.report = ReportView()
        self._lay_out()
        self.labels.show_plan(classifier.typed.plan)
        self.text.setPlainText(classifier.typed.text)
        self._keep = QTimer(self, interval=_KEEP_MS, singleShot=True)
        self._connect()
        self._show_file(None, Path())
        classifier.on_state = self._on_state

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._choose_file)
        self.close_button.clicked.connect(self._close_file)
        self.start_button.clicked.connect(self._start)
        self.save_button.clicked.connect(self._save)
        self.labels.changed.connect(self._on_typed)
        self.text.textChanged.connect(self._on_typed)
        self._keep.timeout.connect(self._keep_typed)

    # -- the look ------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        gap = theme.scaled(8)
        line = QHBoxLayout()
        line.setSpacing(gap)
        line.addWidget(self.open_button)
        line.addWidget(self.file_name, 1)
        line.addWidget(self.close_button)
        self._content = QWidget()
        left = QVBoxLayout(self._content)
        left.setContentsMargins(theme.scaled(24), theme.scaled(16), theme.scaled(16), theme.scaled(16))
        left.setSpacing(theme.scaled(12))
        left.addWidget(self.text)
        left.addLayout(line)
        left.addLayout(self._columns)
        left.addSpacing(gap)
        left.addWidget(self.labels)
        left.addStretch()
        self._side = scrolled(self._content)
        self._content.installEventFilter(self)
        whole = QWidget()
        whole.setObjectName("content")
        body = self._body = QBoxLayout(QBoxLayout.Direction.LeftToRight, whole)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(0)
        body.addWidget(self._side)
        body.addLayout(self._results(), 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._make_header())
        column.addWidget(scrolled(whole), 1)

    def _results(self) -> QVBoxLayout:
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.scaled(8))
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.count)
        buttons.addStretch()
        buttons.addWidget(self.save_button)
        right = QVBoxLayout()
        right.setContentsMargins(theme.scaled(24), theme.scaled(16), theme.scaled(24), theme.scaled(16))
        right.setSpacing(theme.scaled(12))
        right.addLayout(buttons)
        right.addWidget(self.progress)
        right.addWidget(self.note)
        self.view.setMinimumHeight(theme.scaled(_TABLE_PX))
        right.addWidget(self.view, 1)
        right.addWidget(self.report)
        return right

    def _make_header(self) -> QFrame:
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.back_button.clicked.connect(self.back_wanted)
        return page_header(self.back_button, Label(self.tr("Classify"), kind="title"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override: the labels stand beside the table while there is room for both, else above it."""
        super().resizeEvent(event)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """There is more in the side, or less."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        """Beside the table the side is scrolled by itself, above it with the whole page."""
        beside, width = self.width() >= theme.scaled(_BESIDE_PX), theme.scaled(_LIST_PX)
        self._body.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)
        self._side.setMinimumSize(width if beside else 0, 0 if beside else self._content.sizeHint().height())
        self._side.setMaximumWidth(width if beside else _MOST_PX)

    def enter(self) -> None:
        """The page is shown, ready to be typed into."""
        (self.text if self._table is None else self.start_button).setFocus()
        self._show_state()  # another model may be loaded

    # -- a file --------------------------------------------------------------------------------------------------------

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, self.tr("Open a file of texts"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        tables = self.tr("Tables and texts") + " (*.csv *.tsv *.jsonl *.ndjson *.txt)"
        dialog.setNameFilters([tables, self.tr("All files") + " (*)"])
        dialog.fileSelected.connect(lambda path: self.open_file(Path(path)))
        dialog.open()

    def open_file(self, path: Path) -> None:
        """Read a file; nothing is asked of the model yet."""
        self._reading += 1
        reading = self._reading

        def then(table: Table) -> None:
            if reading == self._reading:
                self._classifier.pause()  # what it works on is not shown any more
                self._show_file(table, path)

        def failed(error: UserError) -> None:
            if reading == self._reading:
                self._say(sentence_of(error))

        self._classifier.read(path, then, failed)

    def _close_file(self) -> None:
        self._reading += 1
        self._classifier.pause()  # what it works on is not shown any more
        self._show_file(None, Path())
        self.text.setFocus()

    def take_over(self, other: "ClassifyPage") -> None:
        """What a person has typed, opened and begun on a page that goes away; what runs goes on."""
        other._reading += 1  # a file that is still being read was to be shown there
        self.labels.take_over(other.labels)
        self.text.setPlainText(raw_text(other.text.document()))
        self._show_file(other._table, other._path)
        for button, old in ((self.text_column, other.text_column), (self.label_column, other.label_column)):
            if button is not None and old is not None:
                button.set_value(old.value)
        self._truths, self._state = other._truths, other._state
        if other.model.run is not None:
            self._say("")
            self.model.set_run(other.model.run, self._truths)
            has_report = self._state.done and not self._state.is_running
            self.report.show_report(self._classifier.report() if has_report else None)
        self._show_state()

    def _show_file(self, table: Table | None, path: Path) -> None:
        self._table, self._path = table, path
        self.text.setVisible(table is None)
        self.close_button.setVisible(table is not None)
        self.file_name.set_words(self._path.name if table else "")
        while (item := self._columns.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        self.text_column = self.label_column = None
        if table is not None:
            names = {name: name if len(name) <= _NAME else f"{name[: _NAME - 1]}…" for name in table.columns}
            columns = {name: self.tr("Text: {column}").format(column=short) for name, short in names.items()}
            truths = {name: self.tr("True label: {column}").format(column=short) for name, short in names.items()}
            self.text_column = ChoiceButton(self.tr("Column of the texts"), columns)
            self.label_column = ChoiceButton(
                self.tr("Column of the true labels"), {"": self.tr("No true labels")} | truths
            )
            self.text_column.set_value(table.likely_text_column())
            self.label_column.set_value(LABEL if LABEL in table.columns else "")
            for button in (self.text_column, self.label_column):
                button.chosen.connect(self._show_state)
                self._columns.addWidget(button)
            self._columns.addStretch()
        self.model.set_run(None, [])
        self.report.show_report(None)
        self._state = State(False, 0, 0)
        words = self.tr("{count} texts. Nothing has been asked yet.").format(count=len(table.rows)) if table else ""
        self._say(words)
        self._show_state()

    # -- what is typed -------------------------------------------------------------------------------------------------

    def _on_typed(self) -> None:
        self._classifier.typed = Typed(self.labels.plan(), raw_text(self.text.document()))
        self._keep.start()
        self._show_state()

    def _keep_typed(self) -> None:
        try:
            self._classifier.keep_typed()
        except UserError as error:
            self._say(sentence_of(error))

    # -- the work ------------------------------------------------------------------------------------------------------

    def _chosen(self) -> tuple[str, str]:
        """The columns of the texts and of the true labels."""
        return (
            self.text_column.value if self.text_column else "",
            self.label_column.value if self.label_column else "",
        )

    def _is_same(self) -> bool:
        """Whether what is shown is what would be asked now, so that it can be gone on with."""
        run = self._classifier.run
        if run is None or run.plan != self.labels.plan() or not self._classifier.is_same_model():
            return False
        if self._table is None:
            return list(run.texts) == [raw_text(self.text.document())]
        return self._classifier.table is self._table and list(run.texts) == self._table.column(self._chosen()[0])

    def _start(self) -> None:
        if self._state.is_running:
            self._classifier.pause()
            return
        try:
            if not self._is_same() or self._state.done == self._state.total:
                self._begin()
            else:
                self._classifier.go_on()
        except UserError as error:
            self._say(sentence_of(error))

    def _begin(self) -> None:
        text_column, label_column = self._chosen()
        plan = self.labels.plan()
        self._truths = self._table.column(label_column) if self._table is not None and label_column else []
        self._say("")
        if self._table is None:
            self._classifier.begin_text(raw_text(self.text.document()), plan)
        else:
            self._classifier.begin(self._table, plan, text_column, label_column)

    def _on_state(self, state: State) -> None:
        self._state = state
        if self.model.run is not self._classifier.run:
            self.model.set_run(self._classifier.run, self._truths)
        self.model.rows_changed(state.rows)
        if state.notice is not None:
            self._say(sentence(state.notice.fault, state.notice.fields))
        elif state.saved:
            self._say(self.tr("Saved as {name}.").format(name=state.saved))
        elif state.is_running:
            self._say("")
        if state.done == state.total or not state.is_running:
            self.report.show_report(self._classifier.report() if state.done else None)
        self._show_state()

    def _show_state(self) -> None:
        state = self._state
        is_open = not state.is_running and 0 < state.done < state.total and self._is_same()
        words = self.tr("Pause") if state.is_running else self.tr("Go on") if is_open else self.tr("Sort")
        self.start_button.set_words(words)
        has_text = self._table is not None or bool(raw_text(self.text.document()).strip())
        self.start_button.setEnabled(state.is_running or has_text)
        self.save_button.setEnabled(state.done > 0)
        self.progress.setVisible(state.is_running or is_open)
        self.progress.setRange(0, max(1, state.total))
        self.progress.setValue(state.done)
        counted = self.tr("{done} of {total}").format(done=state.done, total=state.total)
        self.count.setText(counted if state.total else "")

    def _save(self) -> None:
        choose_place(self, f"{self._path.stem}-labels.csv" if self._table else "labels.csv", self._classifier.save)

    def _say(self, words: str) -> None:
        self.note.setText(words)
        self.note.setVisible(bool(words))
