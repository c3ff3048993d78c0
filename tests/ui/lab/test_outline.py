"""What is seen of a long line: few points, its newest one, and every peak, also while it grows."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from chatdesk.ui.lab.curves import ticks
from chatdesk.ui.lab.outline import Outline

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=40)


def line(values):
    return [(number * 10, value) for number, value in enumerate(values)]


@given(VALUES, st.integers(1, 300), st.lists(st.integers(0, 12_000), max_size=4))
def test_a_line_that_grows_and_goes_back(values, times, ends):
    whole, points, outline = line(values * times), [], Outline()
    for end in [*ends, len(whole)]:
        del points[end:]  # a run that goes on from its last save tells some steps again
        points += whole[len(points) : end]
        seen = outline.follow(points)
        assert seen == Outline().follow(points)
        assert len(seen) <= 243
        assert set(seen) <= set(points)
        assert seen == sorted(seen, key=lambda point: point[0])
        if points:
            assert seen[-1] == points[-1]
            for extreme in (min, max):
                assert extreme(v for _, v in seen) == extreme(v for _, v in points)


def test_short_lines_are_whole_and_other_ones_begin_anew():
    outline, short = Outline(), line(range(100))
    assert dict(outline.follow(short)) == dict(short)
    assert outline.follow([(0, 5.0)])[0] == (0, 5.0)
    short[50:] = [(tokens, -1.0) for tokens, _ in short[50:]]
    assert min(value for _, value in outline.follow(short)) == -1.0


def test_ticks_of_values_at_the_ends_of_floats():
    ends = (0.0, 5e-324, 1e-320, -5e-324, 1e-300, 1e300, -1e300, 1.0, 1.0000000000000002)
    for low, high in product(ends, ends):
        assert len(ticks(low, high)) < 20
