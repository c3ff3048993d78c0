"""The model menu: filled when it opens, and filled again only for what it shows."""

from dataclasses import replace

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QMenu

from chatdesk.tasks.changes import ModelChanged
from tests.ui.scripted import READY


def submenus(menu: QMenu) -> int:
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return len(menu.findChildren(QMenu))


def test_what_was_shown_before_is_not_kept(desk):
    menu = desk.page.model_menu
    desk.chat.say(READY)
    menu.aboutToShow.emit()
    first = submenus(menu)
    for _ in range(5):
        menu.aboutToShow.emit()
    assert submenus(menu) == first == 2
    assert [m.title() for m in menu.findChildren(QMenu)] == ["Device: Automatic", "Precision: Automatic"]


def test_an_open_menu_stays_as_it_is_while_a_load_goes_on(desk, monkeypatch):
    menu = desk.page.model_menu
    desk.chat.say(loading := ModelChanged("loading", "A", "/models/a", 0, 100))
    monkeypatch.setattr(menu, "isVisible", lambda: True)  # offscreen none can be opened without warnings
    menu.aboutToShow.emit()
    before = menu.actions()
    desk.chat.say(replace(loading, done=50))
    assert menu.actions() == before
    desk.chat.say(READY)
    assert "Unload" in [action.text() for action in menu.actions()]
