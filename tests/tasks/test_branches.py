"""The segments of a tree: by hand, against their rules for any tree, and for very large ones."""

from hypothesis import given

from chatdesk.storage.records import Node
from chatdesk.tasks.branches import Segment, segments
from tests.tasks.trees import nodes, trees


def below(parents: list[int | None], n: int) -> list[int]:
    return [child for child, parent in enumerate(parents) if parent == n]


def test_nothing_and_one_branch() -> None:
    assert segments([]) == []
    assert segments(nodes([None, 0, 1], end=2)) == [Segment("0", "user", "text 0", 3, 0, 2.0, None, True, True)]


def test_the_version_with_most_below_it_comes_last_the_others_in_the_order_of_creation() -> None:
    #  0 ─ 1 ─┬─ 2 ─ 3 ─┬─ 6
    #         ├─ 4      └─ 7 ─ 8
    #         └─ 5
    found = segments(nodes([None, 0, 1, 2, 1, 1, 3, 3, 7], end=6))
    assert [(each.id, each.messages, each.depth, each.parent, each.newest_at) for each in found] == [
        ("0", 2, 0, None, 1.0),
        ("4", 1, 1, 0, 4.0),
        ("5", 1, 1, 0, 5.0),
        ("2", 2, 1, 0, 3.0),
        ("6", 1, 2, 3, 6.0),
        ("7", 2, 2, 3, 8.0),
    ]
    assert [each.id for each in found if each.is_shown] == ["0", "2", "6"]
    assert [each.id for each in found if each.is_end] == ["6"]


def test_several_beginnings() -> None:
    found = segments(nodes([None, 0, None, 2], end=3))
    assert [(each.id, each.parent, each.depth, each.is_shown) for each in found] == [
        ("0", None, 0, False),
        ("2", None, 0, True),
    ]


def test_what_lies_below_the_end_of_the_shown_branch_is_a_segment() -> None:
    found = segments(nodes([None, 0, 1, 2], end=1))
    assert [(each.id, each.messages, each.parent, each.is_shown, each.is_end) for each in found] == [
        ("0", 2, None, True, True),
        ("2", 2, 0, False, False),
    ]


def test_the_newest_message_need_not_be_the_last() -> None:
    earlier = [Node("a", None, "user", "A", 9.0, True), Node("b", "a", "assistant", "B", 5.0, True)]
    assert segments(earlier)[0].newest_at == 9.0


def test_what_damage_has_cut_off_is_a_beginning_and_circles_end() -> None:
    def damaged(id: str, parent: str) -> Node:
        return Node(id, parent, "user", "", 0.0, False)

    found = segments([damaged("a", "gone"), damaged("b", "c"), damaged("c", "b"), damaged("d", "d"), damaged("e", "a")])
    assert [(each.id, each.messages) for each in found] == [("a", 2)]


@given(trees())
def test_every_message_is_in_one_segment_and_none_holds_a_fork(tree: tuple[list[int | None], int]) -> None:
    parents, end = tree
    found = segments(nodes(parents, end))
    last: list[int] = []
    seen: list[int] = []
    for place, each in enumerate(found):
        run = [int(each.id)]
        for _ in range(each.messages - 1):
            assert run[-1] != end
            (following,) = below(parents, run[-1])
            run.append(following)
        assert run[-1] == end or len(below(parents, run[-1])) != 1
        above = parents[run[0]]
        assert above == (None if each.parent is None else last[each.parent])
        assert each.parent is None or each.parent < place
        assert each.depth == (0 if each.parent is None else found[each.parent].depth + 1)
        last.append(run[-1])
        seen += run
    assert sorted(seen) == list(range(len(parents)))
    assert [place for place, each in enumerate(found) if each.is_end] == [last.index(end)]
    assert seen == _depth_first(parents)


def _depth_first(parents: list[int | None]) -> list[int]:
    """Slowly: of versions that with most below it last, of equal ones the newest."""
    sizes = [1] * len(parents)
    for n in reversed(range(len(parents))):
        if (parent := parents[n]) is not None:
            sizes[parent] += sizes[n]

    def walk(versions: list[int]) -> list[int]:
        if not versions:
            return []
        last = max(versions, key=lambda n: (sizes[n], n))
        order = [n for n in versions if n != last] + [last]
        return [each for n in order for each in [n, *walk(below(parents, n))]]

    return walk([n for n, parent in enumerate(parents) if parent is None])


def test_ten_thousand_messages_and_two_thousand_branches() -> None:
    (one,) = segments(nodes([None, *range(9_999)], end=9_999))
    assert one.messages == 10_000
    # Each fifth message is answered twice: the chain goes on from the second.
    parents: list[int | None] = [None]
    chain = 0
    while len(parents) < 10_000:
        parents += [chain, chain]
        chain = len(parents) - 1
        for _ in range(8):
            parents.append(chain)
            chain = len(parents) - 1
    found = segments(nodes(parents, end=chain))
    assert len(found) == 2 * 1_000 + 1
    assert max(each.depth for each in found) == 1_000
    assert sum(each.messages for each in found) == len(parents)
