"""The list of documents beside the text."""

import msgspec

from chatdesk.storage.records import Document
from chatdesk.ui.writing.documents import DocumentList

ONE, TWO, THREE = (Document(id, id.upper(), "", {}, 0.0, 0.0) for id in ("one", "two", "three"))


def current(shown: DocumentList) -> str:
    item = shown.view.currentItem()
    return "" if item is None else item.text(0)


def test_the_keys_stay_where_they_are_while_the_list_changes(qtbot):
    """Else Del, pressed after a renaming, would delete the document that is open."""
    shown = DocumentList()
    qtbot.addWidget(shown)
    shown.set_documents((ONE, TWO, THREE), None)
    shown.set_open("two")
    assert current(shown) == "TWO"
    shown.view.setCurrentItem(shown.view.topLevelItem(2))
    shown.set_documents((TWO, ONE, msgspec.structs.replace(THREE, title="Rain")), None)
    assert current(shown) == "Rain"
    shown.view.setFocus()
    with qtbot.waitSignal(shown.delete_wanted) as asked:
        shown.view.actions()[0].trigger()
    assert asked.args == ["three"]
    shown.set_documents((TWO, ONE), THREE)
    assert current(shown) == "TWO"
    shown.set_open("one")
    assert current(shown) == "ONE"


def test_a_new_document_gets_the_keys_when_it_is_listed(qtbot):
    shown = DocumentList()
    qtbot.addWidget(shown)
    shown.set_documents((ONE,), None)
    shown.set_open("one")
    shown.set_open("two")
    assert current(shown) == "ONE"
    shown.set_documents((TWO, ONE), None)
    assert current(shown) == "TWO"
