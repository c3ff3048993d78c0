"""The rows of a transcript: heights and places, whatever is put in, taken out and measured."""

import random

import pytest

from chatdesk.ui.chat.rows import Row, Rows


def rows_of(dice: random.Random, count: int) -> list[Row]:
    return [Row("footer", height=dice.choice((0, 0, 1, 20, 300))) for _ in range(count)]


def check(rows: Rows, model: list[Row], dice: random.Random) -> None:
    """Everything that can be asked, beside a plain list."""
    assert len(rows) == len(model)
    tops = [0]
    for row in model:
        tops.append(tops[-1] + row.height)
    assert rows.top(len(model)) == tops[-1]
    for index in [0, len(model) - 1, *(dice.randrange(len(model)) for _ in range(20))] if model else []:
        assert rows[index] is model[index]
        assert rows.index(model[index]) == index
        assert rows.top(index) == tops[index]
    for y in [-5, 0, tops[-1] - 1, tops[-1], tops[-1] + 9, *(dice.randrange(tops[-1] + 1) for _ in range(20))]:
        wanted = max((index for index, top in enumerate(tops) if top <= y), default=0)
        assert rows.at(y) == max(0, min(wanted, len(model) - 1))


@pytest.mark.parametrize("seed", range(20))
def test_rows_stand_where_a_plain_list_has_them(seed: int) -> None:
    dice = random.Random(seed)
    rows, model = Rows(), []
    for _ in range(60):
        match dice.choice(("insert", "insert", "end", "remove", "height", "many")):
            case "insert" | "many" as what:
                at, new = dice.randint(0, len(model)), rows_of(dice, dice.randrange(4 if what == "insert" else 1500))
                rows.insert(at, list(new))
                model[at:at] = new
            case "end":
                new = rows_of(dice, 2)
                rows.insert(len(model), list(new))
                model += new
            case "remove" if model:
                row = model.pop(dice.randrange(len(model)))
                rows.remove(row)
            case "height" if model:
                rows.set_height(dice.choice(model), dice.randrange(400))
        check(rows, model, dice)
    rows.clear()
    check(rows, [], dice)


def test_what_is_not_there_is_said() -> None:
    rows = Rows()
    rows.insert(0, [Row("footer")])
    for index in (1, -1):
        with pytest.raises(IndexError):
            rows[index]
    with pytest.raises(ValueError, match="not among"):
        rows.index(Row("footer"))
