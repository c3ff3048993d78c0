"""Documents out of and into files, and files that are none."""

import io
import zipfile

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import papers

TEXT = "# A heading\n\nWords with <signs> & tabs\there. 天气 😀\n  indented\n"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.docx"])
def test_what_is_written_is_read_again(tmp_path, name):
    path = tmp_path / name
    papers.write(path, "A & B", TEXT)
    assert papers.read(path) == ("a", TEXT)


def test_a_docx_is_what_word_writes(tmp_path):
    path = tmp_path / "a.docx"
    papers.write(path, "Title\x00", "line\x01")
    with zipfile.ZipFile(path) as whole:
        assert whole.testzip() is None
        assert {"[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/styles.xml"} <= set(whole.namelist())
        assert b"Title<" in whole.read("docProps/core.xml")
    assert papers.read(path).text == "line"


def fault(path):
    with pytest.raises(UserError) as caught:
        papers.read(path)
    assert "{" not in str(caught.value)
    return caught.value.fault


def test_what_is_no_text_is_named(tmp_path):
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    assert fault(path) is Fault.ATTACHMENT_BINARY
    assert fault(tmp_path / "gone.txt") is Fault.FILE_NOT_FOUND
    (tmp_path / "folder.txt").mkdir()
    assert fault(tmp_path / "folder.txt") is Fault.ATTACHMENT_FOLDER


def test_200_mb_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    assert fault(path) is Fault.ATTACHMENT_TOO_LARGE


def docx(path, xml, size=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("word/document.xml", xml)
    return path


@pytest.mark.parametrize("xml", ["", "<a>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_a_docx_that_is_none_is_named(tmp_path, xml):
    assert fault(docx(tmp_path / "a.docx", xml)) is Fault.BROKEN_TEXT


def test_a_zip_that_is_no_docx_and_one_that_unpacks_without_end_are_named(tmp_path):
    path = tmp_path / "a.docx"
    path.write_bytes(b"words")
    assert fault(path) is Fault.BROKEN_TEXT
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as whole:
        whole.writestr("other", "x")
    path.write_bytes(target.getvalue())
    assert fault(path) is Fault.BROKEN_TEXT
    assert fault(docx(tmp_path / "bomb.docx", "<a>" + " " * 120_000_000)) is Fault.ATTACHMENT_TOO_LARGE


def test_a_long_word_document_says_how_far_it_is(tmp_path):
    text = "\n".join(f"line {number}" for number in range(450))
    written = []
    papers.write(tmp_path / "long.docx", "Long", text, written.append)
    found = []
    assert papers.read(tmp_path / "long.docx", found.append).text == text
    for shares in (written, found):
        assert 90 <= len(shares) <= 120
        assert shares == sorted(shares)
        assert (shares[0], shares[-1] > 0.95) == (0.0, True)


def test_a_long_title_and_half_a_character_keep_nothing_from_being_written(tmp_path):
    papers.write(tmp_path / "a.docx", "t" * 300, "text \ud83d")
    assert papers.read(tmp_path / "a.docx").text == "text "
    papers.write(tmp_path / "a.txt", "t", "text \ud83d")
    assert (tmp_path / "a.txt").read_text("utf-8") == "text \ufffd"
