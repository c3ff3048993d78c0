"""Markdown into blocks and documents: what a model writes stays text."""

import sys
import threading

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage, QTextDocument, QTextTable

from chatdesk.ui.chat import markdown
from chatdesk.ui.chat.highlight import Colouring
from chatdesk.ui.chat.rendering import InertDocument, block_document, code_document, plain_document
from tests.ui.payloads import payloads

PAYLOADS = payloads("/nowhere", "http://127.0.0.1:9")

_opened: list[str] = []
_watching = False


def _watch(event: str, args: tuple) -> None:
    here = threading.current_thread() is threading.main_thread()  # another draws formulas, and opens its fonts
    if _watching and event in ("open", "socket.connect") and (here or "nowhere" in str(args)):
        _opened.append(f"{event} {args[0]!r}")


sys.addaudithook(_watch)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda text: ascii(text[:60]))
def test_payload_stays_text(qapp, monkeypatch, payload: str) -> None:
    global _watching
    asked: list[str] = []
    monkeypatch.setattr(InertDocument, "loadResource", lambda self, kind, name: asked.append(str(name)) or QImage())
    documents = [block_document(block) for block in markdown.blocks(payload) if block.kind not in ("code", "rule")]
    documents.append(plain_document(payload, "#000000"))
    _opened.clear()
    _watching = True
    try:
        for document in documents:
            document.setTextWidth(400)
            document.size()
    finally:
        _watching = False
    assert asked == []
    assert _opened == []
    for document in documents:
        for character in document.toRawText():
            assert character in "\n\t\u2028\u2029\ufdd0\ufdd1" or ord(character) >= 32
        for link in _links(document):
            assert link.startswith(("http://", "https://", "mailto:"))


def _links(document: QTextDocument) -> list[str]:
    found = []
    block = document.begin()
    while block.isValid():
        iterator = block.begin()
        while not iterator.atEnd():
            href = iterator.fragment().charFormat().anchorHref()
            if href:
                found.append(href)
            iterator += 1
        block = block.next()
    return found


def test_resources_are_never_loaded(qapp) -> None:
    found = InertDocument().resource(QTextDocument.ResourceType.ImageResource.value, QUrl("file:///etc/passwd"))
    assert isinstance(found, QImage)
    assert found.isNull()


def test_web_and_mail_addresses_are_links(qapp) -> None:
    (block,) = markdown.blocks("[a](https://example.org/x) and <mailto:a@b.c> and [c](http://d)")
    assert _links(block_document(block)) == ["https://example.org/x", "mailto:a@b.c", "http://d"]


def test_images_become_description_and_address(qapp) -> None:
    (block,) = markdown.blocks("see ![a cat](https://example.org/cat.png)")
    assert block_document(block).toPlainText() == "see a cat (https://example.org/cat.png)"


def test_kinds_of_blocks(qapp) -> None:
    text = "# h\n\np\n\n- a\n\n> q\n\n---\n\n|a|\n|-|\n|1|\n\n    code\n"
    assert [block.kind for block in markdown.blocks(text)] == [
        "heading", "paragraph", "list", "quote", "rule", "table", "code"
    ]  # fmt: skip


def test_lists_show_their_numbers(qapp) -> None:
    (block,) = markdown.blocks("3. three\n4. four\n   - deep\n5. five")
    assert block_document(block).toPlainText() == "3.\tthree\n4.\tfour\n•\tdeep\n5.\tfive"


def test_tables_have_their_cells_and_alignment(qapp) -> None:
    (block,) = markdown.blocks("|a|b|\n|:-|-:|\n|1|2|\n|3|4|")
    document = block_document(block)
    table = next(child for child in document.rootFrame().childFrames() if isinstance(child, QTextTable))
    assert (table.rows(), table.columns()) == (3, 2)
    cell = table.cellAt(2, 1).firstCursorPosition()
    assert cell.block().text() == "4"
    assert cell.blockFormat().alignment().name == "AlignRight"


def test_equal_blocks_compare_equal() -> None:
    first, second = markdown.blocks("one\n\ntwo"), markdown.blocks("one\n\ntwo and more")
    assert first[0] == second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize(
    "language", ["python", "PYTHON", "c++", "nosuchlanguage", "", "../../etc/passwd", "x" * 10_000]
)
def test_code_is_coloured_by_name_alone(qapp, language: str) -> None:
    document = code_document("def f():\n    return 'é你👩'  # words\n")
    colouring = Colouring(document, language)
    while not colouring.step(0.001):
        pass
    assert document.toPlainText() == "def f():\n    return 'é你👩'  # words\n"
    spans = document.findBlockByNumber(1).layout().formats()
    known = language.lower() in ("python", "c++")
    assert bool(spans) == known
    if language == "python":
        assert [(span.start, span.length) for span in spans] == [(4, 6), (11, 1), (12, 4), (16, 1), (19, 7)]
