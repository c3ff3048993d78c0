"""Files as attachments: what is read, what is refused in one sentence, how a model reads them."""

import os
import re
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.storage.records import Attachment
from chatdesk.tasks import attachments
from chatdesk.tasks.attachments import MOST_FILES, read, read_all, safe_name
from chatdesk.tasks.turns import framed, subject

CHINESE = "春天来了,花都开了。\n"


def fault_of(path: Path) -> UserError:
    with pytest.raises(UserError) as refused:
        read(path)
    sentence = str(refused.value)
    assert "{" not in sentence
    assert str(path.parent) not in sentence  # the name says enough
    return refused.value


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"])
@pytest.mark.parametrize("text", ["plain words\n", CHINESE, "a é 𝄞 天气\n\ttab\n", "x = '天'  # " + CHINESE])
def test_every_encoding_gives_the_text(tmp_path, encoding, text):
    if encoding == "gb18030" and "é" in text:
        text = CHINESE * 2 + "résumé\n"
    path = tmp_path / "notes.md"
    path.write_bytes(text.encode(encoding))
    assert read(path) == Attachment("notes.md", text)


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_both_orders_of_utf_16(tmp_path, mark):
    path = tmp_path / "a.txt"
    path.write_bytes(mark + CHINESE.encode("utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"))
    assert read(path).text == CHINESE


def test_line_ends_are_one_kind(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\r\nc,d\re\n")
    assert read(path).text == "a,b\nc,d\ne\n"


def test_a_log_with_colours_is_text(tmp_path):
    path = tmp_path / "run.log"
    path.write_bytes(b"\x1b[31merror\x1b[0m\n")
    assert read(path).text == "\x1b[31merror\x1b[0m\n"


def test_a_log_of_a_megabyte_is_read_whole(tmp_path):
    path = tmp_path / "run.log"
    path.write_text("2026-11-26 12:00:00 INFO a line of a log\n" * 25_000)
    assert len(read(path).text) == 41 * 25_000


# -- refusing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", Fault.ATTACHMENT_BINARY),
        (b"%PDF-1.7\n%words only\n", Fault.ATTACHMENT_BINARY),
        (b"PK\x03\x04\x14\x00\x06\x00", Fault.ATTACHMENT_BINARY),
        (b"\x1f\x8b\x08\x02\xff\xff\x01", Fault.ATTACHMENT_BINARY),
        ("a\0b".encode("utf-16"), Fault.ATTACHMENT_BINARY),
        ("Müller möchte".encode("latin-1"), Fault.ATTACHMENT_ENCODING),
        ("Привет, мир".encode("koi8-r") + b"\xff", Fault.ATTACHMENT_ENCODING),
        (b"\xff\xfea", Fault.ATTACHMENT_ENCODING),
        (b"", Fault.NO_TEXT),
        (" \n\t\u3000\n".encode(), Fault.NO_TEXT),
    ],
)
def test_what_is_not_text_is_said(tmp_path, content, fault):
    path = tmp_path / "some.file"
    path.write_bytes(content)
    refused = fault_of(path)
    assert refused.fault == fault
    assert "some.file" in str(refused)


def test_a_folder_a_missing_file_a_pipe(tmp_path):
    assert fault_of(tmp_path).fault == Fault.ATTACHMENT_FOLDER
    assert fault_of(tmp_path / "gone.txt").fault == Fault.FILE_NOT_FOUND
    assert fault_of(tmp_path / "gone" / "gone.txt").fault == Fault.FILE_NOT_FOUND
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert fault_of(tmp_path / "pipe").fault == Fault.ATTACHMENT_BINARY


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    path = tmp_path / "secret.txt"
    path.write_text("words")

    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    refused = fault_of(path)
    assert (refused.fault, str(refused)) == (Fault.BROKEN_TEXT, "secret.txt cannot be read: Permission denied.")


def test_a_large_file_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(attachments, "MOST_BYTES", 1_000_000)
    path = tmp_path / "huge.log"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)  # sparse
    refused = fault_of(path)
    assert refused.fault == Fault.ATTACHMENT_TOO_LARGE
    assert "has 50,000.0 MB, and a file may have 1 MB" in str(refused)
    path.write_bytes(b"a" * 1_000_000)
    assert len(read(path).text) == 1_000_000
    path.write_bytes(b"a" * 1_000_001)
    assert fault_of(path).fault == Fault.ATTACHMENT_TOO_LARGE


def test_good_files_come_in_beside_bad_ones(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.bin").write_bytes(b"\0")
    (tmp_path / "c.py").write_text("two = 2")
    found = read_all([tmp_path / name for name in ("a.txt", "b.bin", "gone", "c.py", "a.txt")])
    assert found.files == (Attachment("a.txt", "one"), Attachment("c.py", "two = 2"))
    assert [error.fault for error in found.problems] == [Fault.ATTACHMENT_BINARY, Fault.FILE_NOT_FOUND]
    assert read_all([tmp_path / "a.txt"], found.files) == ((), ())


def test_one_message_takes_so_many_files(tmp_path):
    paths = [tmp_path / f"{number}.txt" for number in range(MOST_FILES + 2)]
    for path in paths:
        path.write_text(path.name)
    found = read_all(paths[1:], read_all(paths[:1]).files)
    assert len(found.files) == MOST_FILES - 1
    assert [error.fault for error in found.problems] == [Fault.ATTACHMENTS_TOO_MANY] * 2


def test_one_message_takes_so_many_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(attachments, "MOST_CHARACTERS", 10)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name * 5)
    found = read_all([tmp_path / name for name in ("a", "b", "c")])
    assert [file.name for file in found.files] == ["a", "b"]
    assert [(error.fault, error.fields["name"]) for error in found.problems] == [(Fault.ATTACHMENTS_TOO_LARGE, "c")]


@given(data=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_text_or_one_sentence(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any"
        path.write_bytes(data)
        found = read_all([path])
    assert len(found.files) + len(found.problems) == 1
    assert all(map(str, found.problems))
    for file in found.files:
        assert file.text.strip()
        assert not set(file.text) & {"\0", "\r"}
        file.text.encode()  # no halves of characters


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("notes.md", "notes.md"),
        ("春天的计划.txt", "春天的计划.txt"),
        ("👨‍👩‍👧 family.txt", "👨‍👩‍👧 family.txt"),
        ("a\u202egnp.exe", "a\ufffdgnp.exe"),
        ("two\nlines\x07.txt", "two\ufffdlines\ufffd.txt"),
        ("<b>bold</b>.txt", "<b>bold</b>.txt"),
        ("half\udcff.txt", "half\ufffd.txt"),
    ],
)
def test_names_are_safe_to_show(name, shown):
    assert safe_name(name) == shown


@given(st.text(st.characters(), max_size=60))
def test_a_name_is_one_line_that_can_be_stored(name):
    shown = safe_name(name)
    assert shown.splitlines() in ([shown], [])
    assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in shown)
    shown.encode()


# -- as a model reads it -----------------------------------------------------------------------------------------------


def test_a_message_with_files():
    files = (Attachment("a.py", "print(1)\n"), Attachment("b.md", "```sh\nls\n```"))
    assert framed("What is this?", files) == (
        "File: a.py\n```\nprint(1)\n```\n\nFile: b.md\n````\n```sh\nls\n```\n````\n\nWhat is this?"
    )
    assert framed(" ", files[:1]) == "File: a.py\n```\nprint(1)\n```"
    assert framed("Only words ", ()) == "Only words "


@given(
    name=st.text(min_size=1, max_size=20),
    text=st.text(st.sampled_from("`~ab \n天"), min_size=1, max_size=80),
    words=st.text(st.sampled_from("`~ab \n"), max_size=40),
)
def test_no_file_closes_its_fence(name, text, words):
    """Read as Markdown reads it: the first line of backticks alone, as long as the opening one, ends the file."""
    head, rest = framed(words, (Attachment(name, text),)).split("\n", 1)
    assert head == "File: " + " ".join(name.split())
    fence, rest = rest.split("\n", 1)
    assert re.fullmatch("`{3,}", fence)
    inside, behind = re.split(rf"^{fence}`*[ \t]*$\n?", rest, maxsplit=1, flags=re.MULTILINE)
    assert inside == text.removesuffix("\n") + "\n"
    assert behind == (f"\n{words}" if words.strip() else "")


def test_what_a_message_is_about():
    files = (Attachment("a.py", "x"), Attachment("b.py", "y"))
    assert (subject("Why?", files), subject(" ", files), subject("", ())) == ("Why?", "a.py", "")
