"""Formulas as pictures. ziamath draws LaTeX as the outlines of its letters (SVG); here it is asked, and remembered.

Drawing takes milliseconds of pure Python, so it happens in one thread of its own, once for each formula, size and
colour; until then, and for what cannot be drawn, the source is shown. What a model writes is untrusted: a formula has
limits, and of the SVG only shapes are taken.

Non-goals: LaTeX beyond formulas; numbering; text in scripts that the formula font does not have.
"""

import itertools
import math
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from types import FrameType
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ziamath.zmath import Latex

LONGEST = 2_000  # characters of a formula that are drawn
WIDEST, HIGHEST = 4_000.0, 1_200.0  # pixels
MOST_CALLS = 2_000_000  # calls and returns in drawing a formula: ten times those of a long one, about a second
_DEEPEST = 12  # braces in one another
_KEPT = 2_000  # drawings
_DRAW = frozenset(("latex2mathml", "ziamath"))
_FIRST_UNKNOWN = "\u2e80"  # the font has no letters from here on: Chinese, Japanese, Korean, emoji
_UNKNOWN_COMMAND = re.compile(r">\s*\\[A-Za-z]")
_ELEMENT = re.compile(r"<([^\s/>]+)")
_SHAPES = frozenset(("svg", "path", "rect", "g", "line", "polyline", "polygon", "ellipse", "circle"))
_BOX = re.compile(r'viewBox="(\S+) (\S+) (\S+) (\S+)"')


@dataclass(frozen=True)
class Formula:
    """What is to be drawn: LaTeX, set large or not, height of its letters in pixels, colour as ``#rrggbb``."""

    latex: str
    display: bool
    px: float
    color: str


@dataclass(frozen=True)
class Drawing:
    """A formula as SVG; pixels. ``depth``: how far it reaches below the line on which letters stand."""

    svg: bytes
    width: float
    height: float
    depth: float


class _TooLongError(BaseException):
    """Not an Exception: ziamath may catch those."""


class Watcher(QObject):
    """Signals: ``drawn``, when more formulas can be had from `drawing`."""

    drawn = Signal()


watcher = Watcher()
_known: dict[Formula, Drawing | None] = {}
_asked: set[Formula] = set()
_lock = threading.Lock()


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "formulas")


def is_known(formula: Formula) -> bool:
    """Whether it has been drawn, or found to be one that cannot be drawn. If not, it is put in hand."""
    with _lock:
        if formula in _known:
            return True
        new = formula not in _asked
        _asked.add(formula)
    if new:
        _thread().submit(_work, formula)
    return False


def drawing(formula: Formula) -> Drawing | None:
    """The drawing of a known formula; ``None``: show its source."""
    return _known.get(formula)


def _work(formula: Formula) -> None:
    _load()
    calls = itertools.count()

    def check(frame: FrameType, *_: object) -> None:
        # what is raised in somebody's finalizer is swallowed, and Python then calls this no more
        if next(calls) > MOST_CALLS and str(frame.f_globals.get("__name__")).partition(".")[0] in _DRAW:
            raise _TooLongError

    sys.setprofile(check)  # fractions in fractions take exponential time
    try:
        found = draw(formula)
    except (Exception, _TooLongError):  # a parser of what a model writes may fail in any way; the source is shown
        found = None
    finally:
        sys.setprofile(None)
    with _lock:
        _known[formula] = found
        _asked.discard(formula)
        while len(_known) > _KEPT:
            del _known[next(iter(_known))]
    watcher.drawn.emit()


def draw(formula: Formula) -> Drawing | None:
    """Draw now, in the caller's thread. ``None`` for what is too long, too large or not in the font."""
    latex = formula.latex
    if len(latex) > LONGEST or max(latex, default="") >= _FIRST_UNKNOWN or _depth(latex) > _DEEPEST:
        return None
    convert, typeset = _load()
    if _UNKNOWN_COMMAND.search(convert(latex)):
        return None  # it would be drawn as its name
    made = typeset(latex, size=formula.px, color=formula.color, inline=not formula.display)
    svg = str(made.svg())
    box = _BOX.search(svg)
    if box is None or not _SHAPES.issuperset(_ELEMENT.findall(svg)) or "href=" in svg:
        return None
    _, top, width, height = map(float, box.groups())
    if not (0 < width <= WIDEST and 0 < height <= HIGHEST):
        return None
    return Drawing(svg.encode(), width, height, max(0.0, top + height))


@cache
def _load() -> "tuple[Callable[[str], str], Callable[..., Latex]]":
    """The converter to MathML and the typesetter: 0.3 s to import, and only who reads formulas needs them."""
    from latex2mathml.converter import convert
    from ziamath.config import config
    from ziamath.zmath import Latex

    config.svg2 = False
    return convert, Latex


def _depth(latex: str) -> int:
    deepest = depth = 0
    for character in latex:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return max(deepest, latex.count("\\begin") + latex.count("\\left"))


@lru_cache(maxsize=400)
def picture(drawing: Drawing, below: float, ratio: float) -> QImage:
    """Pixels of a drawing for a screen of device pixel ``ratio``, with empty room of ``below`` pixels under it."""
    width, height = math.ceil(drawing.width), math.ceil(drawing.height + below)
    image = QImage(math.ceil(width * ratio), math.ceil(height * ratio), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(drawing.svg)).render(
        painter, QRectF(0, height - below - drawing.height, drawing.width, drawing.height)
    )
    painter.end()
    return image
