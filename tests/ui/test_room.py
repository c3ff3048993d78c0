"""Nothing is cut where there is room."""

import pytest
from PySide6.QtWidgets import QApplication

from chatdesk.paths import resources
from chatdesk.storage.records import Attachment
from chatdesk.tasks.writing_prompts import WritingPrompts
from chatdesk.ui import theme
from chatdesk.ui.chat.exact_prompt import ExactPromptDialog
from chatdesk.ui.chat.file_view import FileDialog
from chatdesk.ui.inspect.tokens_dialog import TokensDialog
from chatdesk.ui.main_window import MainWindow
from chatdesk.ui.settings.keys import KeysEditor
from chatdesk.ui.widgets.room import room_on
from chatdesk.ui.writing.history import HistoryDialog
from chatdesk.ui.writing.templates import PromptsDialog
from chatdesk.ui.writing.trash import TrashDialog

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


@pytest.mark.parametrize("width", [700, 1000, 1300])
def test_the_desk_wraps_at_the_column_that_is_seen(desk, qtbot, width):
    """From its first moment on: the column is narrower than the editor, which was laid out before."""
    desk.window.resize(width, 700)
    desk.window.show_page("write")
    editor = desk.window.pages.writing.editor
    editor.setReadOnly(False)
    editor.textCursor().insertText("The lighthouse stood at the end of the island. " * 20)
    qtbot.wait(50)
    layout = editor.document().firstBlock().layout()
    assert layout.lineCount() > 5
    assert max(layout.lineAt(i).naturalTextWidth() for i in range(layout.lineCount())) <= editor.viewport().width()


class Nothing:
    """Answers no question."""

    def __getattr__(self, name):
        return lambda *_: None


@pytest.mark.parametrize("size", [100, 150, 200])
def test_windows_of_their_own_fit_a_small_screen_with_large_text(desk, qtbot, tmp_path, size):
    """Their buttons stand at the bottom."""
    theme.apply(QApplication.instance(), "light", size)
    again = MainWindow(desk.tasks, desk.settings, desk.profile)
    qtbot.addWidget(again)
    prompts = WritingPrompts(resources() / "prompts", tmp_path / "prompts.toml")
    parent, link = desk.window, Nothing()
    dialogs = [
        TrashDialog(parent, link),
        HistoryDialog(parent, link),
        PromptsDialog(parent, prompts, "template", True),
        FileDialog(parent, Attachment("a.txt", "words")),
        KeysEditor(parent, {}, print),
        TokensDialog(parent, link, "Words."),
        ExactPromptDialog(parent),
    ]
    room = room_on(again.screen()).size()
    for window in (again, *dialogs):
        qtbot.addWidget(window)
        window.show()
        assert window.height() <= room.height(), window
        assert window.width() <= max(room.width(), window.minimumSizeHint().width()), window
