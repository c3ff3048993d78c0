"""Line charts as SVG text: a few lines of our own, so that a report needs nothing from anywhere.

Lines have colours that stand out on white and on black; axes and words take the colour of the text around them.
"""

import math
from collections.abc import Sequence
from html import escape

from msgspec import Struct

from chatdesk.library.figures import short_count

COLOURS = ("#2f7fd6", "#d9772b", "#2f9e6e", "#b4569e", "#8a8f3a", "#c94b4b")
_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 34
_MOST_POINTS = 600
MOST_DRAWN, LEAST_DRAWN = 1e300, 1e-300


class Line(Struct, frozen=True):
    """A curve of ``points`` (x, y), x rising. ``colour``: index into `COLOURS`; ``is_dotted``: measured seldom."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    is_dotted: bool = False


def chart(title: str, lines: Sequence[Line], what: str, marks: Sequence[tuple[str, float]] = ()) -> str:
    """An SVG with a title for screen readers. ``what`` stands below the x axis; ``marks``: names at places of x.

    The few highest values, such as those of a run's first steps, are cut off rather than press all others flat.
    """
    filled = [line for line in lines if line.points]
    if not filled:
        return ""
    values = sorted(y for line in filled for _, y in line.points if is_drawn(y)) or [0.0]
    lowest, highest = values[0], values[int((len(values) - 1) * (0.97 if len(values) > 40 else 1))]
    ticks = _ticks(lowest, highest)
    across = _Axis(0.0, max(x for line in filled for x, _ in line.points), _LEFT, _WIDTH - _RIGHT)
    upward = _Axis(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg" font-size="11" '
        f'font-family="sans-serif" color="#222"><title>{escape(title)}</title>',
    ]
    for tick in ticks:
        parts.append(_rule(_LEFT, upward(tick), _WIDTH - _RIGHT, upward(tick)))
        parts.append(_word(_LEFT - 6, upward(tick) + 4, _number(tick), "end"))
    for tick in _ticks(0.0, across.highest):
        if tick <= across.highest:
            parts.append(_word(across(tick), _HEIGHT - _BOTTOM + 16, short_count(round(tick)), "middle"))
    parts.append(_word((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, what, "middle"))
    for mark, place in marks:
        if place < across.highest:
            parts.append(_rule(across(place), _TOP, across(place), _HEIGHT - _BOTTOM, "4 3"))
        parts.append(_word(across(place) - 4, _TOP + 9, mark, "end"))
    parts.append('<g fill="none" stroke-width="1.8" stroke-linejoin="round">')
    parts += [_curve(line, across, upward) for line in filled]
    return "\n".join([*parts, "</g></svg>"])


def is_drawn(value: float) -> bool:
    """Whether a value has a place: beyond, and in steps smaller than `LEAST_DRAWN`, floats cannot be divided."""
    return abs(value) < MOST_DRAWN


class _Axis:
    """From values to pixels."""

    def __init__(self, lowest: float, highest: float, start: float, end: float) -> None:
        self.lowest, self.highest = lowest, highest
        self._start, self._scale = start, (end - start) / ((highest - lowest) or 1.0)

    def __call__(self, value: float) -> float:
        return self._start + (value - self.lowest) * self._scale


def _ticks(lowest: float, highest: float) -> list[float]:
    """Round values that hold the range, about five."""
    spread = next(each for each in (highest - lowest, abs(highest), 1.0) if each > LEAST_DRAWN)
    step = 10.0 ** math.floor(math.log10(spread / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if spread / (step * factor) <= 5)
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [round(place * step, 12) for place in range(first, max(last, first + 1) + 1)]


def _number(value: float) -> str:
    return short_count(round(value)) if abs(value) >= 1000 else f"{value:.6g}"


def _rule(x1: float, y1: float, x2: float, y2: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" stroke-opacity="0.18"'
        f"{dashed}/>"
    )


def _word(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" fill-opacity="0.7">'
        f"{escape(text)}</text>"
    )


def _curve(line: Line, across: _Axis, upward: _Axis) -> str:
    colour = COLOURS[line.colour % len(COLOURS)]
    every = math.ceil(len(line.points) / _MOST_POINTS)
    kept = [*line.points[:-1:every], line.points[-1]]
    places = [(across(x), upward(min(y, upward.highest))) for x, y in kept if is_drawn(y)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashes = ' stroke-dasharray="5 3"' if line.is_dotted else ""
    drawn = f'<polyline points="{path}" stroke="{colour}"{dashes}/>'
    if line.is_dotted and len(places) <= 60:
        drawn += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in places)
    return drawn


def legend(lines: Sequence[Line]) -> str:
    """HTML that names the lines of a chart."""
    items = (
        f'<li><span style="border-top:3px {"dashed" if line.is_dotted else "solid"} '
        f'{COLOURS[line.colour % len(COLOURS)]}"></span>{escape(line.name)}</li>'
        for line in lines
        if line.points
    )
    return f'<ul class="legend">{"".join(items)}</ul>'
