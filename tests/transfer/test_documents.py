"""Markdown, HTML and files: what is said, that nothing in it can act, names that every system takes."""

import errno
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chatdesk.errors import Fault, UserError
from chatdesk.storage.records import Attachment
from chatdesk.storage.transfer import files, html, markdown
from chatdesk.storage.transfer.order import Labels, lines
from chatdesk.storage.transfer.trees import Node, Tree


def tree(*nodes, title="Salt", tip=None, settings=None):
    """A tree of (id, parent, text); user and assistant take turns."""
    messages = tuple(
        Node(id, parent, "assistant" if number % 2 else "user", text, 1_700_000_000.0 + number)
        for number, (id, parent, text) in enumerate(nodes)
    )
    return Tree("c", title, 0.0, 0.0, tip or (messages[-1].id if messages else None), settings or {}, messages)


VERSIONS = tree(("q", None, "Ask"), ("a", "q", "One"), ("b", "q", "Two"), ("c", "a", "More"), tip="c")

ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "div", "h1", "h2", "h3", "h4", "h5", "h6", "p", "a", "b", "em",
    "strong", "s", "code", "pre", "span", "blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td",
    "hr", "br", "details", "summary",
}  # fmt: skip
ATTRIBUTES = {
    "meta": {"charset", "http-equiv", "content", "name"},
    "a": {"href", "title"},
    "div": {"class", "id"},
    "p": {"class"},
    "summary": {"class"},
    "pre": {"class"},
    "span": {"class"},
    "ol": {"start"},
    "th": {"style"},
    "td": {"style"},
}


class Page(HTMLParser):
    """What stands in a page, checked tag by tag."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.links = []
        self.inside = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, set()), (tag, name)
            if name == "style":
                assert re.fullmatch("text-align:(left|right|center)", value)
            if name == "href":
                assert re.match(r"https?:|mailto:|#m\d+-\d+$", value, re.IGNORECASE), value
                self.links.append(value)
        self.inside.append(tag)

    def handle_endtag(self, tag):
        assert tag in ALLOWED

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "style":
            assert "url(" not in data
            assert "@import" not in data
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_pi(self, data):
        raise AssertionError(data)

    def handle_decl(self, decl):
        assert decl == "DOCTYPE html"


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "a <b onmouseover=alert(1)>b</b> </div></body></html>",
    "<think></pre></details><script>alert(1)</script></think><script>alert(2)</script>",
    "<!-- comment --> <?php ?> <![CDATA[x]]>",
    "![alt](https://example.org/track.png)",
    "![alt](javascript:alert(1))",
    "![<script>](data:image/svg+xml;base64,PHN2Zz4=)",
    "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) [z](data:text/html,x) [w](file:///etc/passwd)",
    "[x](java\nscript:alert(1)) [y](\x01javascript:alert(1)) [z](&#106;avascript:alert(1)) <javascript:alert(1)>",
    "[x](vbscript:x) [y](//example.org) [z](/path) [w](#m1-1) [v](\\\\host\\share)",
    '[x](https://example.org/"onclick="alert(1) \'t"it\' )',
    "[x][r]\n\n[r]: javascript:alert(1) 'title\" onclick=x'",
    "```html\n<script>alert(1)</script>\n```",
    '```"onmouseover="alert(1)\nx\n```',
    "```<script>\nx\n```",
    "    <script>alert(1)</script>",
    "`<script>alert(1)</script>`",
    "</style><script>alert(1)</script>",
    "| <img src=x> | b |\n|:--|--:|\n| <script> | [x](javascript:y) |",
    "[]() [x](<>) [y]( )",
    "\x00\x1b[31m\u202e\ufffe",
]


@pytest.mark.parametrize("printable", [False, True])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_was_written_cannot_act(payload, printable):
    labels = Labels(user=payload, damaged=payload)
    nodes = tuple(
        Node(str(n), None, role, payload, 0.0, None, {"model": payload}, (Attachment(payload, payload),), True)
        for n, role in enumerate(("user", "assistant"))
    )
    page = html.document([Tree("c", payload, 0.0, 0.0, None, {"system_prompt": payload}, nodes)], labels, printable)
    found = Page(page)
    assert "alert" not in payload or "alert" in found.text + "".join(found.links)
    assert "\x00" not in page


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from([*PAYLOADS, "\n", "> ", "- ", "[", "](", ")", "<", ">", '"']), st.text()), max_size=8
    )
)
def test_no_mixture_can_act(pieces):
    Page(html.document([tree(("q", None, "".join(pieces)))]))


def test_good_links_and_markup_are_there():
    text = "**bold** [site](https://example.org/?a=1&b=2) <mailto:a@example.org> | `code`\n\n| a |\n|---|\n| b |"
    page = Page(html.document([tree(("q", None, text))]))
    assert page.links == ["https://example.org/?a=1&b=2", "mailto:a@example.org"]
    assert {"strong", "table", "code"} <= set(page.inside)


def test_a_link_that_leads_elsewhere_stays_as_it_was_written():
    text = "[x](file:///etc/passwd) [y](javascript:z)"
    page = Page(html.document([tree(("q", None, text))]))
    assert (page.links, text in page.text) == ([], True)


def test_an_image_is_its_description_and_address():
    page = Page(html.document([tree(("q", None, "![a cat](https://example.org/cat.png)"))]))
    assert "[a cat](https://example.org/cat.png)" in page.text


def test_code_is_coloured_and_kept():
    code = "def f(x):\n\n    return '<b>'  # why\n"
    page = html.document([tree(("q", None, f"```python\n{code}```"))])
    assert '<span class="k">def</span>' in page
    assert code.strip() in Page(page).text
    assert ".code .k {" in page
    assert page.count("prefers-color-scheme: dark") == 2


def test_the_page_forbids_what_it_does_not_need():
    page = html.document([VERSIONS])
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_whole_tree_is_read_from_top_to_bottom():
    told = [(line.number, line.node.id, line.version, line.versions, line.answers) for line in lines(VERSIONS)]
    assert told == [(1, "q", 1, 1, None), (2, "a", 1, 2, None), (3, "c", 1, 1, None), (4, "b", 2, 2, 1)]
    assert Page(html.document([VERSIONS])).links == ["#m1-1"]
    told = [(line.number, line.node.id, line.answers) for line in lines(msgspec.structs.replace(VERSIONS, tip="b"))]
    assert told == [(1, "q", None), (2, "b", None), (3, "a", 1), (4, "c", None)]


def test_a_damaged_tree_is_written_whole():
    circle = tree(("a", "b", "A"), ("b", "a", "B"), ("c", "gone", "C"), ("d", "c", "D"), tip="b")
    assert sorted(line.node.id for line in lines(circle)) == ["a", "b", "c", "d"]
    assert sum(letter in "ABCD" for letter in re.findall(r"^\w$", markdown.document([circle]), re.MULTILINE)) == 4


def test_markdown():
    text = markdown.document([VERSIONS], Labels(user="Me"))
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(1_700_000_000))
    assert text.startswith(f"# Salt\n\n## 1. Me\n\n*{written}*\n\nAsk\n")
    assert "version 2 of 2 · answers message 1*\n\nTwo\n" in text
    prompt = markdown.document([tree(title="", settings={"system_prompt": "Be\nbrief."})])
    assert prompt == "# Conversation\n\n> **System prompt**\n>\n> Be\n> brief.\n"


@pytest.mark.parametrize("opened", ["```python\nx", "~~~~\n```\nx", "text\n\n```", "```a\nx\n```\n\n````\ny"])
def test_an_open_code_block_does_not_swallow_what_follows(opened):
    tokens = MarkdownIt("commonmark").parse(markdown.document([tree(("q", None, opened), ("a", "q", "Answer"))]))
    headings = [tokens[number + 1].content for number, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["Salt", "1. You", "2. Assistant"]


def test_attachments_are_written_with_the_message():
    node = Node("q", None, "user", "Look", 0.0, attachments=(Attachment("a.md", "x\n````\n<b>y</b>"),))
    whole = Tree("c", "Salt", 0.0, 0.0, "q", {}, (node,))
    assert markdown.document([whole]).endswith("Look\n\n**Attachment: a.md**\n\n`````\nx\n````\n<b>y</b>\n`````\n")
    assert "Attachment: a.md\nx\n````\n<b>y</b>" in Page(html.document([whole])).text


NAMES = [
    ("Salt", "Salt.md"),
    ("", "conversation.md"),
    ("../../etc/passwd", "etc passwd.md"),
    ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j.md"),
    ("CON", "_CON.md"),
    ("nul.txt", "_nul.txt.md"),
    ("com1", "_com1.md"),
    ("LPT³", "_LPT³.md"),
    ("console", "console.md"),
    (" . hidden. ", "hidden.md"),
    ("\u202eexe.txt\x00\n", "exe.txt.md"),
    ("\ud800", "conversation.md"),
    ("盐" * 300, "盐" * 60 + ".md"),
    ("a" * 300, "a" * 80 + ".md"),
]


@pytest.mark.parametrize(("title", "name"), NAMES)
def test_names_of_files(title, name, tmp_path):
    assert files.file_name(title, ".md") == name
    (tmp_path / name).write_bytes(b"")


@settings(max_examples=300)
@given(st.text(max_size=120))
def test_any_title_gives_a_name(title):
    name = files.file_name(title, ".html")
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert len(name.encode()) < 200
    assert name[0] not in " ."
    assert Path(name).name == name


@pytest.mark.parametrize(("code", "fault"), [(errno.ENOSPC, Fault.DISK_FULL), (errno.EACCES, Fault.CANNOT_WRITE)])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch, code, fault, call):
    path = tmp_path / "salt.html"
    path.write_text("old", encoding="utf-8")

    def fails(*_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(files.os, call, fails)
        with pytest.raises(UserError) as caught:
            html.export_html([VERSIONS], path)
    assert (caught.value.fault, caught.value.fields["path"]) == (fault, str(path))
    assert [(file.name, file.read_text(encoding="utf-8")) for file in tmp_path.iterdir()] == [("salt.html", "old")]
    markdown.export_markdown([VERSIONS], path)
    assert path.read_text(encoding="utf-8") == markdown.document([VERSIONS])


@pytest.mark.skipif(os.name == "nt", reason="rights are not said by a mode there")
def test_an_export_is_read_by_whom_the_person_lets(tmp_path):
    path, before = tmp_path / "salt.md", os.umask(0o077)
    try:
        markdown.export_markdown([VERSIONS], path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    markdown.export_markdown([VERSIONS], path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError) as caught:
        markdown.export_markdown([VERSIONS], tmp_path / "gone" / "salt.md")
    assert caught.value.fault is Fault.CANNOT_WRITE


def test_thoughts_stand_apart_from_the_answer():
    """Word for word, folded in a page that can unfold them; without the tags. A person's own tags stay."""
    said = tree(("q", None, "<think>mine</think>"), ("a", "q", "<think>\n*A* greeting.\n\nHm.\n</think>\n\n*Hello*"))
    page = html.document([said])
    assert '<summary class="said">Thoughts</summary>\n<pre class="plain said">*A* greeting.\n\nHm.</pre>' in page
    assert "<p><em>Hello</em></p>" in page
    assert Page(page).text.count("think>") == 2
    printed = html.document([said], printable=True)
    assert '<p class="said">Thoughts</p>\n<pre class="plain said">*A* greeting.' in printed
    assert "details" not in printed
    for text, is_shown in (("<think>never closed", True), ("<think>\n\n</think>\n\nHello", False), ("Hello", False)):
        assert ("<summary" in html.document([tree(("q", None, "Ask"), ("a", "q", text))])) == is_shown


def test_thoughts_are_a_quotation_in_markdown():
    said = tree(("q", None, "<think>mine</think>"), ("a", "q", "<think>\nHm.\n\n```\nopen\n</think>\n\n*Hello*"))
    text = markdown.document([said])
    assert "> **Thoughts**\n>\n> Hm.\n>\n> ```\n> open\n\n*Hello*\n" in text
    assert text.count("think>") == 2
    assert "<p><em>Hello</em></p>" in html.fragment(text)
    assert "Thoughts" not in markdown.document([tree(("q", None, "Ask"), ("a", "q", "<think>\n</think>\nHello"))])


def test_qt_reads_the_printable_page(qapp):
    from PySide6.QtGui import QTextDocument

    text = "A **bold** word\n\n```python\ndef f():\n    return 1\n```\n\n| a | b |\n|---|---|\n| c | d |\n\n<b>raw</b>"
    document = QTextDocument()
    document.setHtml(html.document([tree(("q", None, text))], printable=True))
    plain = document.toPlainText()
    for said in ("Salt", "1. You", "A bold word", "def f():", "return 1", "<b>raw</b>", "c"):
        assert said in plain
    assert "color-scheme" not in plain
    assert "def" in document.toHtml()
    assert re.search(r"color:#[0-9a-f]{6}[^>]*>def<", document.toHtml())


def test_two_exports_at_the_start_of_a_program_do_not_disturb_each_other():
    """Whatever is imported late is imported by two threads at once here."""
    program = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from chatdesk.storage.transfer import html
found, both = [], threading.Barrier(4)
def export():
    both.wait()
    found.append(html._coloured("x = 1", "python"))
threads = [threading.Thread(target=export) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).resolve().parents[2])], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("4\n", "")
