"""Importing another program's chats beside a window: ``python tests/benchmarks/importing.py [CONVERSATIONS]``.

Makes an export of ChatGPT with conversations of twenty messages, reads it and stores it, while another thread wants a
turn every 5 ms as a window does. Prints one line of JSON: the size in MB, seconds for reading and storing, the longest
that the other thread waited meanwhile (ms), the same while ``json.loads`` parses the text at once and the garbage is
looked through, and how many times longer that is than while it is read.
"""

import argparse
import gc
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from chatdesk.storage.store import Store
from chatdesk.storage.transfer import reading
from chatdesk.storage.transfer.store import store

WORDS = ["the", "model", "答案", "is", "writing", "天气", "very", "because", "of", "and"]
BEAT_S = 0.005


def conversation(dice: random.Random, number: int) -> dict[str, Any]:
    """Twenty messages below one another."""
    mapping: dict[str, Any] = {}
    above = None
    for place in range(20):
        id = f"{number}-{place}"
        content = {"content_type": "text", "parts": [" ".join(dice.choices(WORDS, k=dice.choice((20, 150, 300))))]}
        author = {"role": ("user", "assistant")[place % 2], "metadata": {}}
        message = {"id": id, "author": author, "content": content, "create_time": 1.7e9 + place, "recipient": "all"}
        mapping[id] = {"id": id, "parent": above, "children": [], "message": message}
        above = id
    return {"conversation_id": f"c{number}", "title": f"Chat {number}", "mapping": mapping, "current_node": above}


@contextmanager
def waiting() -> Iterator[list[float]]:
    """How late each beat of another thread is, in seconds."""
    late = [0.0]
    ended = threading.Event()

    def beat() -> None:
        before = time.perf_counter()
        while not ended.wait(BEAT_S):
            now = time.perf_counter()
            late.append(now - before - BEAT_S)
            before = now

    thread = threading.Thread(target=beat)
    thread.start()
    yield late
    ended.set()
    thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conversations", nargs="?", type=int, default=2000)
    dice = random.Random(1)
    entries = [conversation(dice, number) for number in range(parser.parse_args().conversations)]
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "chatdesk.db", Path(folder) / "backups") as desk:
        path = Path(folder) / "conversations.json"
        text = json.dumps(entries, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
        del entries
        gc.disable()  # the window's thread collects, see `ui.collecting`
        desk.opened.result()
        with waiting() as plain:
            document = json.loads(text)
            gc.collect()
        del document
        with waiting() as reads:
            begin = time.perf_counter()
            found = reading.read(path)
            gc.collect()
            read_s = time.perf_counter() - begin
        with waiting() as stores:
            begin = time.perf_counter()
            desk.submit(lambda c: store(c, found)).result()
            store_s = time.perf_counter() - begin
        figures = {
            "mb": round(path.stat().st_size / 1e6, 1),
            "read_s": round(read_s, 2),
            "store_s": round(store_s, 2),
            "wait_reading_ms": round(max(reads) * 1e3),
            "wait_storing_ms": round(max(stores) * 1e3),
            "wait_at_once_ms": round(max(plain) * 1e3),
            "ratio": round(max(plain) / max(reads), 1),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
