"""Trees of messages from nothing but the parents' numbers."""

from hypothesis import strategies as st

from chatdesk.storage.records import Node


def nodes(parents: list[int | None], end: int | None = None) -> list[Node]:
    """Message ``n`` below ``parents[n]``; the branch that ends with ``end`` is shown."""
    shown = set()
    while end is not None:
        shown.add(end)
        end = parents[end]
    return [
        Node(str(n), None if parent is None else str(parent), "user", f"text {n}", float(n), n in shown)
        for n, parent in enumerate(parents)
    ]


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int | None], int]:
    parents: list[int | None] = []
    for n in range(draw(st.integers(1, 40))):
        near = st.integers(max(0, n - 3), n - 1) if n else st.none()
        parents.append(draw(st.one_of(near, st.none())))
    return parents, draw(st.integers(0, len(parents) - 1))
