"""All commands by name: those of `shortcuts` that mean something on the page that is shown, with their keys."""

from PySide6.QtWidgets import QWidget

from chatdesk.ui.shortcuts import SHORTCUTS, KeyedAction, key_text, title
from chatdesk.ui.widgets.picker import Entry, Picker, Places

_OWN = ("palette", "stop")


def fit(pattern: str, text: str) -> tuple[int, Places] | None:
    """How well ``text`` has the letters of ``pattern`` in their order, and where; None when it has not.

    Larger is better: letters that begin a word or follow one another count more, and short texts before long ones.
    Blanks in the pattern do not count.
    """
    low = text.lower()
    score, last = -len(text), -1
    places: list[tuple[int, int]] = []
    for letter in "".join(pattern.lower().split()):
        following = last + 1 if last >= 0 and low.startswith(letter, last + 1) else -1
        place = max(following, _beginning(low, letter, last + 1) if following < 0 else -1)
        score += 30 if place >= 0 else 5
        place = place if place >= 0 else low.find(letter, last + 1)
        if place < 0:
            return None
        places.append((place, 1))
        last = place
    return score, tuple(places)


def _beginning(text: str, letter: str, start: int) -> int:
    """Where the next word that begins with ``letter`` stands; -1 when there is none."""
    places = range(start, len(text))
    return next((i for i in places if text[i] == letter and not text[i - 1 : i].isalnum()), -1)


class Palette(Picker):
    """Triggers the action that is chosen, when the focus is back where it was."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, self.tr("All commands"), self.tr("What do you want to do?"))
        order = list(SHORTCUTS)
        there = [action for action in window.findChildren(KeyedAction) if action.isEnabled()]
        found = {action.name: action for action in there if action.name not in _OWN}
        self._actions = sorted(found.values(), key=lambda action: order.index(action.name))
        self.chosen.connect(lambda action: action.trigger())
        self.field.textChanged.connect(self._filter)
        self._filter("")

    def _filter(self, pattern: str) -> None:
        found = [(fit(pattern, title(action.name)), action) for action in self._actions]
        fitting = [(fitness[0], fitness[1], action) for fitness, action in found if fitness is not None]
        if pattern.strip():  # else in the order of the table
            fitting.sort(key=lambda found: -found[0])
        entries = [Entry(action, title(action.name), places, key_text(action.name)) for _, places, action in fitting]
        self.show_entries(entries, self.tr("There is no such command."))
