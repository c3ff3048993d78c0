"""Formulas: where they stand in a text, what is drawn, what is shown as source, what is copied."""

import os
import threading

import pytest
from PySide6.QtGui import QGuiApplication, QTextFormat

from chatdesk.tasks.changes import Turn
from chatdesk.ui.chat import formulas, markdown
from chatdesk.ui.chat.formulas import Formula
from chatdesk.ui.chat.plain import plain_text
from chatdesk.ui.chat.rendering import block_document


def found_in(text: str) -> list[tuple[str, str]]:
    """LaTeX and markup of every formula."""
    tokens = [token for block in markdown.blocks(text) for token in block.tokens]
    tokens += [child for token in tokens for child in token.children or []]
    return [(token.info, token.markup) for token in tokens if token.type.startswith("math")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so $E=mc^2$ holds", [("E=mc^2", "")]),
        (r"so \(a_1 * b_1 * c\) holds", [("a_1 * b_1 * c", "")]),
        (r"so \[x\] and $$y$$ hold", [("x", "display"), ("y", "display")]),
        ("$$\na\n= b\n- c\n$$", [("a\n= b\n- c", "display")]),
        ("Words:\n\\[\nx\n\\]\nmore", [("x", "display")]),
        ("- item\n  $$\n  x\n  $$", [("x", "display")]),
        ("the $i$th and $n$-th, ($x$).", [("i", ""), ("n", ""), ("x", "")]),
        (r"$\$5$", [(r"\$5", "")]),
        ("|a|\n|-|\n|$x$|", [("x", "")]),
    ],
)
def test_formulas_are_found(text, found) -> None:
    assert found_in(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "$5 and $10",
        "It costs $5, or 10$ each",
        "US$5 or A$6",
        "between $5-$10",
        "$HOME/bin:$PATH and $HOME/$PATH",
        r"\$a\$ and \\(x\\)",
        "`$x$` and ``\\(y\\)``",
        "```\n$$x$$\n```",
        "    $$x$$",
        "$$\nx\n\ny\n$$",
        "$$ never closed",
        "$ x $",
        "$$$$",
        "$" * 500,
        "a $x\ny$ b",
    ],
)
def test_these_are_not_formulas(text) -> None:
    assert found_in(text) == []


@pytest.mark.parametrize(
    "latex",
    [
        "E=mc^2",
        r"\frac{a}{b}+\sqrt[3]{x}",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
        r"\sum_{i=1}^n \int_0^\infty e^{-x}\,dx",
        r"\text{a word}",
        "a < b \\& c > d",
    ],
)
def test_these_are_drawn(qapp, latex) -> None:
    drawn = formulas.draw(Formula(latex, True, 16.0, "#123456"))
    assert drawn is not None
    assert b"#123456" in drawn.svg
    assert 0 <= drawn.depth < drawn.height
    image = formulas.picture(drawn, 2.0, 2.0)
    colors = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert "#123456" in colors


@pytest.mark.parametrize(
    "latex",
    [
        r"\foo{x}",
        r"\text{你好}",
        "x" * 3_000,
        "{" * 40 + "x" + "}" * 40,
        "x+" * 900,
    ],
)
def test_these_stay_source(qapp, latex) -> None:
    try:
        drawn = formulas.draw(Formula(latex, False, 16.0, "#000000"))
    except Exception:  # caught by the thread
        drawn = None
    assert drawn is None


def test_what_would_take_minutes_is_given_up(qapp, qtbot, monkeypatch) -> None:
    monkeypatch.setattr(formulas, "_DEEPEST", 100)
    formula = Formula(r"\frac{" * 20 + "x" + "}{y}" * 20, False, 16.0, "#000000")
    assert not formulas.is_known(formula)
    qtbot.waitUntil(lambda: formulas.is_known(formula), timeout=30_000)
    assert formulas.drawing(formula) is None


def test_a_finalizer_does_not_keep_a_drawing_from_being_given_up(qapp, qtbot, monkeypatch) -> None:
    """The garbage of others is collected while a formula is drawn, and errors in finalizers are swallowed."""

    class Garbage:
        def __del__(self) -> None:
            for _ in range(2 * most):
                os.getpid()

    most, (convert, typeset) = 100_000, formulas._load()
    monkeypatch.setattr(formulas, "_DEEPEST", 100)
    monkeypatch.setattr(formulas, "MOST_CALLS", most)
    monkeypatch.setattr(formulas, "_load", lambda: (lambda latex: Garbage() and convert(latex), typeset))
    formula = Formula(r"\frac{" * 20 + "z" + "}{y}" * 20, False, 16.0, "#000000")
    assert not formulas.is_known(formula)
    qtbot.waitUntil(lambda: formulas.is_known(formula), timeout=30_000)
    assert formulas.drawing(formula) is None


def test_nothing_but_shapes_is_taken_from_a_drawing(qapp, monkeypatch) -> None:
    from ziamath.zmath import Latex

    svg = '<svg viewBox="0 -9 9 9"><image href="file:///etc/passwd"/></svg>'
    monkeypatch.setattr(Latex, "svg", lambda self: svg)
    assert formulas.draw(Formula("x", False, 16.0, "#000000")) is None


def pictures(document) -> list[str]:
    """The alternative texts of all pictures."""
    found, block = [], document.begin()
    while block.isValid():
        iterator = block.begin()
        while not iterator.atEnd():
            style = iterator.fragment().charFormat()
            if style.isImageFormat():
                found.append(style.property(QTextFormat.Property.ImageAltText))
            iterator += 1
        block = block.next()
    return found


class AtOnce:
    """A thread that has done its work when it is given."""

    @staticmethod
    def submit(work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        thread.join()


def test_a_formula_that_is_drawn_at_once_is_not_missed(transcript, qtbot, monkeypatch) -> None:
    monkeypatch.setattr(formulas, "_thread", AtOnce)
    transcript.show_turns([Turn("r", "assistant", "Soon $E=mc^{17}$ stands here.")])
    qtbot.waitUntil(lambda: shown(transcript) == ["$E=mc^{17}$"], timeout=10_000)


TEXT = "Before $E=mc^2$ and $\\foo$ behind.\n\n$$\\frac{a}{b}$$\n\nEnd."


def shown(transcript) -> list[str]:
    return [alt for row in transcript._live for surface in row.view.surfaces() for alt in pictures(surface.document)]


def test_formulas_come_when_they_are_drawn_and_are_copied_as_source(transcript, qtbot) -> None:
    transcript.show_turns([Turn("u", "user", "q"), Turn("r", "assistant", TEXT)])
    qtbot.waitUntil(lambda: shown(transcript) == ["$E=mc^2$", "$$\\frac{a}{b}$$"], timeout=20_000)
    surface = transcript._live[2].view.surfaces()[0]
    assert "$\\foo$" in surface.document.toPlainText()
    surface.select(0, surface.length())
    assert surface.selected_text() == "Before $E=mc^2$ and $\\foo$ behind."
    transcript.select_turn(transcript._entries["r"])
    transcript.copy()
    assert QGuiApplication.clipboard().text() == TEXT
    assert plain_text(TEXT) == TEXT


def test_a_formula_is_drawn_once_while_its_text_grows(transcript, qtbot, monkeypatch) -> None:
    drawn = []
    draw = formulas.draw
    monkeypatch.setattr(formulas, "draw", lambda formula: drawn.append(formula.latex) or draw(formula))
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    for part in ("Here $z_", "{77}$ and", " more", " words"):
        transcript.grow("s", part)
        transcript.flush()
    qtbot.waitUntil(lambda: shown(transcript) == ["$z_{77}$"], timeout=20_000)
    for part in " of the same paragraph":
        transcript.grow("s", part)
        transcript.flush()
        assert shown(transcript) == ["$z_{77}$"]
    assert drawn == ["z_{77}"]


def test_tasks_have_boxes(qapp) -> None:
    (block,) = markdown.blocks("- [ ] open\n- [x] *done*\n- [X] also\n- [] none\n- plain")
    document = block_document(block)
    assert pictures(document) == ["[ ]", "[x]", "[x]"]
    assert document.toPlainText().replace("\ufffc", "#") == "#\topen\n#\tdone\n#\talso\n•\t[] none\n•\tplain"
    assert plain_text("- [ ] open\n- [x] done") == "- [ ] open\n- [x] done"
