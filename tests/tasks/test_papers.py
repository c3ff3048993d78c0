"""Documents out of and into files, and files that are none."""

import io
import zipfile

import docx as docx_of_word
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import papers
from chatdesk.training import readers

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


def test_no_words_of_a_word_document_are_passed_over(tmp_path):
    """Tracked changes, content controls, tables in tables and shapes stand around words."""
    document = docx_of_word.Document()
    document.add_heading("Title", 2)
    paragraph = document.add_paragraph("I ")._p
    for xml in (
        '<w:ins {}><w:r><w:t xml:space="preserve">really </w:t></w:r></w:ins>',
        "<w:del {}><w:r><w:delText>never </w:delText></w:r></w:del>",
        "<w:moveFrom {}><w:r><w:t>once </w:t></w:r></w:moveFrom>",
        '<w:r {}><w:t>like</w:t><w:br/><w:t>it</w:t><w:br w:type="page"/><w:tab/><w:noBreakHyphen/></w:r>',
        "<w:sdt {}><w:sdtPr><w:t>no</w:t></w:sdtPr><w:sdtContent><w:r><w:t>a field</w:t></w:r></w:sdtContent></w:sdt>",
        "<w:hyperlink {}><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>a shape</w:t></w:r></w:p></w:txbxContent></w:pict>"
        "</w:r></w:hyperlink>",
    ):
        paragraph.append(parse_xml(xml.format(nsdecls("w"))))
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(0, 2)).text = "wide"
    table.cell(1, 2).add_table(1, 1).cell(0, 0).text = "nested"
    body = document.element.body
    cover = "<w:sdt {}><w:sdtContent><w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>Cover</w:t></w:r></w:p>{}"
    body.insert(0, parse_xml(cover.format(nsdecls("w"), "</w:sdtContent></w:sdt>")))
    document.save(str(tmp_path / "a.docx"))
    text = papers.read(tmp_path / "a.docx").text
    assert text == "Cover\n## Title\nI really like\nit\t-a field\na shape\nwide\n\t\t\nnested\n"
    (learned,) = readers.read(tmp_path / "a.docx")
    assert learned == "Cover\n\nTitle\n\nI really like\nit\t-a field\na shape\n\nwide\n\n\t\t\nnested\n"


def test_a_cell_over_a_billion_columns_is_read_once(tmp_path):
    document = docx_of_word.Document()
    cell = document.add_table(1, 1).cell(0, 0)
    cell.text = "wide"
    cell._tc.get_or_add_tcPr().append(parse_xml(f'<w:gridSpan {nsdecls("w")} w:val="300000000"/>'))
    document.save(str(tmp_path / "a.docx"))
    assert papers.read(tmp_path / "a.docx").text == "wide"


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
