"""Nothing is cut where there is room."""

import pytest

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
