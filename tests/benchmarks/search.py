"""Searching all conversations: ``python tests/benchmarks/search.py [MESSAGES]``.

Fills a database with messages, half English and half Chinese, of random words with the frequencies of natural ones
(Zipf), then asks for one to five characters or words of them, frequent and rare. Prints one line of JSON: milliseconds
until the first 50 results as median, 95th percentile and maximum, the same for a scan with ``LIKE '%…%'``, how many
times slower the scan is (ratio of the medians), what opening a long conversation takes (``branch_view``), what saving
a message costs, and the size of the index per MB of text.
"""

import argparse
import contextlib
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import Database, open_database

QUERIES = 300
LONG = 10_000  # messages in the conversation that is opened
LETTERS = "etaoinshrdlcumwfgypbvkxjqz"


class Language:
    """Words with Zipf's frequencies."""

    def __init__(self, words: list[str], between: str) -> None:
        self.words = words
        self.between = between
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))

    def text(self, dice: random.Random, count: int) -> str:
        """So many words."""
        return self.between.join(dice.choices(self.words, cum_weights=self._weights, k=count))


def languages(dice: random.Random) -> tuple[Language, Language]:
    """Thirty thousand short English-like words, four thousand Chinese characters."""
    english: dict[str, None] = {}
    while len(english) < 30_000:
        length = max(1, round(dice.gauss(2 + min(len(english), 3000) ** 0.25, 1.5)))
        english["".join(dice.choices(LETTERS, weights=range(27, 1, -1), k=length))] = None
    chinese = [chr(code) for code in dice.sample(range(0x4E00, 0x9FA5), 4000)]
    return Language(list(english), " "), Language(chinese, "")


def fill(database: Database, dice: random.Random, messages: int, tongues: tuple[Language, Language]) -> tuple[str, int]:
    """One conversation of `LONG` messages, then a hundred messages each. Returns its id and the bytes of all text."""
    c = Conversations(database)
    size = 0
    id, parent, long_one = "", None, ""
    with database.transaction():
        database.transaction = contextlib.nullcontext  # type: ignore[method-assign]  # one, as only the filled file counts
        for number in range(messages):
            if number == 0 or (number >= LONG and number % 100 == 0):
                id, parent = c.create(f"Conversation {number}").id, None
                long_one = long_one or id
            text = tongues[number % 2].text(dice, 1 + int(dice.lognormvariate(3.7, 1)) * (1 + number % 2))
            size += len(text.encode())
            parent = c.add_message(id, parent, ("user", "assistant")[number % 2], text).id
        del database.transaction
    return long_one, size


def queries(dice: random.Random, tongues: tuple[Language, Language]) -> list[str]:
    """One to five characters or words, of frequent and of any frequency."""
    asked = []
    for number in range(QUERIES):
        english, chinese = tongues
        count = 1 + number // 4 % 5
        match number % 4:
            case 0:
                asked.append(english.text(dice, count))
            case 1:
                asked.append(english.text(dice, 1)[:count])
            case 2:
                asked.append(chinese.text(dice, count))
            case 3:
                asked.append(
                    dice.choice(chinese.words) + " " + chinese.text(dice, 1) if count > 1 else dice.choice(LETTERS)
                )
    return asked


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def quantiles(name: str, taken: list[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum."""
    ordered = sorted(taken)
    places = {"p50": len(ordered) // 2, "p95": len(ordered) * 95 // 100, "max": len(ordered) - 1}
    return {f"{name}_{key}_ms": round(ordered[place], 2) for key, place in places.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", nargs="?", type=int, default=100_000)
    messages = parser.parse_args().messages
    dice = random.Random(1)
    tongues = languages(dice)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "chatdesk.db", Path(folder))
        filling = time.perf_counter()
        long_one, size = fill(database, dice, messages, tongues)
        filling = time.perf_counter() - filling
        c = Conversations(database)
        asked = queries(dice, tongues)
        first = timed(lambda: c.search("warm"))
        searches, scans, found = [], [], 0
        for text in asked:
            start = time.perf_counter()
            found += bool(c.search(text))
            searches.append((time.perf_counter() - start) * 1000)
        like = "SELECT id FROM messages WHERE text LIKE ? ORDER BY number DESC LIMIT 50"
        for text in asked[::10]:
            scans.append(timed(lambda text=text: database.query(like, f"%{text}%")))  # type: ignore[misc]
        rare = [timed(lambda: database.query(like, "%no such text%")) for _ in range(5)]
        rebuilding = timed(c._index.rebuild)
        (pages,) = database.query("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'message_search%'")[0]
        openings = [timed(lambda: c.branch_view(long_one)) for _ in range(5)]
        saves = [
            timed(lambda: c.add_message(long_one, None, "user", "天气 " + tongues[0].text(dice, 50)))
            for _ in range(100)
        ]
        database.close()
    report = {"messages": messages, "text_mb": round(size / 1e6, 1), "queries": len(asked), "with_hits": found}
    report |= quantiles("search", searches) | {"first_search_ms": round(first, 1)} | quantiles("like", scans)
    report["like_of_nothing_ms"] = round(sorted(rare)[2], 1)
    report["like_to_search"] = round(sorted(rare)[2] / report["search_p50_ms"], 1)
    report |= quantiles("branch_view", openings) | quantiles("save", saves)
    report |= {
        "index_mb_per_text_mb": round(pages / size, 2),
        "fill_s": round(filling, 1),
        "rebuild_s": round(rebuilding / 1000, 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
