"""Files of every kind become documents; damaged ones become a sentence."""

import gzip
import io
import json
import lzma
import os
import zipfile
from pathlib import Path

import docx
import pytest
import zstandard

from chatdesk.errors import Fault, UserError
from chatdesk.training import readers
from chatdesk.training.corpus import Turn
from chatdesk.training.readers import html_text

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>{}</rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="b" href="two%20.xhtml"/><item id="a" href="one.xhtml"/></manifest>
<spine><itemref idref="a"/><itemref idref="b"/></spine></package>"""


def epub(package: str = PACKAGE) -> bytes:
    """A book of two parts, the first of which stands last in the archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER.format('<rootfile full-path="OEBPS/book.opf"/>'))
        archive.writestr("OEBPS/book.opf", package)
        archive.writestr("OEBPS/two .xhtml", "<html><body><p>Then it <b>ended</b>.</p></body></html>")
        archive.writestr(
            "OEBPS/one.xhtml", "<html><head><title>No</title></head><body><h1>One</h1>It began.</body></html>"
        )
    return out.getvalue()


def word() -> bytes:
    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph("First.")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("Last.")
    document.save(out)
    return out.getvalue()


def pdf(text: str) -> bytes:
    """A page with one line, by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode() if text else b""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


KINDS = {
    "a.txt": ("Grüße".encode(), ["Grüße"]),
    "b.md": ("天气".encode("utf-16"), ["天气"]),
    "c.txt": ("今天的天气很好。".encode("gb18030"), ["今天的天气很好。"]),
    "d.txt": ("Grüße an alle".encode("cp1252"), ["Grüße an alle"]),
    "e.jsonl": (
        b'{"text": "one"}\n\n{"question": "Q", "answer": "A"}\n',
        ["one", (Turn("user", "Q"), Turn("assistant", "A"))],
    ),
    "chat.jsonl": (
        b'{"prompt": "x", "messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}\n'
        b'{"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}\n'
        b'{"prompt": "Q", "completion": "A"}\n{"instruction": "Q", "input": "", "output": "A"}\n',
        [(Turn("user", "Q"), Turn("assistant", "A"))] * 4,
    ),
    "marked.jsonl": (b'\xef\xbb\xbf{"text": "one"}\n{"text": "two"}\n', ["one", "two"]),
    "wide.jsonl": ('{"text": "one"}\r\n{"text": "天"}\r\n'.encode("utf-16"), ["one", "天"]),
    "list.json": (
        b'[{"text": "one"},\n {"instruction": "Translate.", "input": "hi", "output": "salut"}]',
        ["one", (Turn("user", "Translate.\n\nhi"), Turn("assistant", "salut"))],
    ),
    "instructions.csv": (
        b"instruction,input,output\nTranslate.,hi,salut\nGreet.,,hi\n",
        [
            (Turn("user", "Translate.\n\nhi"), Turn("assistant", "salut")),
            (Turn("user", "Greet."), Turn("assistant", "hi")),
        ],
    ),
    "f.csv": (b'id,Text\n1,"a, b"\n2,c\n', ["a, b", "c"]),
    "g.tsv": (b"prompt\tresponse\nHi\tHello\n", [(Turn("user", "Hi"), Turn("assistant", "Hello"))]),
    "h.docx": (word(), ["First.\n\nleft\tright\n\nLast."]),
    "i.epub": (epub(), ["One\n\nIt began.\n\nThen it ended."]),
    "j.html": (b"<script>x</script><nav>menu</nav><p>A  <i>page</i>\n here.</p><p>B</p>", ["A page here.\n\nB"]),
    "k.pdf": (pdf("A page of words."), ["A page of words."]),
}
PACKED = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind(name: str, tmp_path: Path) -> None:
    data, expected = KINDS[name]
    (tmp_path / name).write_bytes(data)
    assert list(readers.read(tmp_path / name)) == expected


@pytest.mark.parametrize("packing", list(PACKED))
@pytest.mark.parametrize("name", ["a.txt", "e.jsonl", "h.docx"])
def test_packed(name: str, packing: str, tmp_path: Path) -> None:
    data, expected = KINDS[name]
    path = tmp_path / f"{name}{packing}"
    path.write_bytes(PACKED[packing](data))
    assert list(readers.read(path)) == expected


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.docx", b"no zip", "not a zip file"),
        ("a.docx", word()[:-200], "not a zip file"),
        ("a.pdf", b"%PDF-1.4 cut", ""),
        ("a.pdf", pdf(""), "pictures of text"),
        ("a.epub", epub("<!DOCTYPE x><package/>"), "entities"),
        ("a.csv", b"id,name\n1,2\n", "no column"),
        ("a.txt.gz", gzip.compress(b"x" * 5000, mtime=0)[:-20], "end-of-stream"),
        ("a.txt.xz", lzma.compress(b"x" * 5000)[:-20], "end-of-stream"),
        ("a.txt.zst", b"nothing", "Unknown frame"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "line 2"),
        ("a.json", b'[{"text": "x"}, {"name": "y"}]', "entry 2 has no text"),
        ("a.json", b'{"name": "y"}', "Expected `array`"),
        ("a.json", b'[{"messages": [{"role": "user", "content": null}]}]', 'entry 1: the speaker "user" says nothing'),
    ],
)
def test_a_damaged_file_is_one_sentence(name: str, data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as caught:
        list(readers.read(tmp_path / name))
    assert caught.value.fault is Fault.BROKEN_TEXT
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_BYTES", 1000)
    for name in ("a.txt.gz", "h.docx"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(b"x" * 5000, mtime=0) if name == "a.txt.gz" else word())
        with pytest.raises(UserError, match="more than"):
            list(readers.read(path))


def test_a_line_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_BYTES", 1000)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x"}\n{"text": "' + b"x" * 5000))
    found = readers.read(tmp_path / "a.jsonl.gz")
    assert next(found) == "x"
    with pytest.raises(UserError, match="line 2 has more than"):
        next(found)


def test_a_part_of_a_book_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    again = PACKAGE.replace('<itemref idref="a"/>', '<itemref idref="a"/>' * 1000)
    assert again != PACKAGE
    for name, package in (("a.epub", PACKAGE), ("b.epub", again)):
        (tmp_path / name).write_bytes(epub(package))
    assert list(readers.read(tmp_path / "b.epub")) == list(readers.read(tmp_path / "a.epub"))


def test_a_wide_cell_is_read_once(tmp_path: Path) -> None:
    document = docx.Document()
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(0, 2)).text = "Title"
    for place, cell in enumerate(table.rows[1].cells):
        cell.text = str(place)
    document.save(str(tmp_path / "a.docx"))
    assert list(readers.read(tmp_path / "a.docx")) == ["Title\n\n0\t1\t2"]


@pytest.mark.parametrize(
    ("text", "other"),
    [("今天天气很好，我们一起去公园散步。", "gb18030"), ("Il était une fois un garçon très âgé.", "cp1252")],
)
def test_a_few_wrong_bytes_are_no_other_encoding(text: str, other: str) -> None:
    data = (text * 40).encode()
    middle = len(text.encode()) * 20
    for damaged in (data[:-1], data[:-2], data[:middle] + b"\xff" + data[middle:]):
        found = readers.decode(damaged)
        assert found.count(text) >= 38
        assert found.count("\ufffd") <= 1
    assert readers.decode((text * 40).encode(other)) == text * 40


@pytest.mark.skipif(os.name != "posix", reason="there are no pipes with a name")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        readers.files([tmp_path / "pipe.txt"])


def test_folders_give_what_can_be_read_and_named_files_must_be(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "deep/a.jsonl.zst", "c.png"):
        (tmp_path / name).write_bytes(b"")
    found = readers.files([tmp_path, tmp_path / "b.txt"])
    assert [(path.name, is_named) for path, is_named in found] == [
        ("b.txt", False),
        ("a.jsonl.zst", False),
        ("b.txt", True),
    ]
    with pytest.raises(UserError, match="none of"):
        readers.files([tmp_path / "c.png"])
    with pytest.raises(UserError, match="does not exist"):
        readers.files([tmp_path / "d.txt"])


def test_a_page_without_a_body_says_nothing() -> None:
    assert html_text("") == ""
    assert json.dumps(html_text("<p>a&amp;b</p>")) == '"a&b"'
