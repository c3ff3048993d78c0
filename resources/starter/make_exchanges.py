"""Writes exchanges.jsonl from topics.toml: short talks that teach the starter model to open, answer and not to know.

    python resources/starter/make_exchanges.py

A talk strings one to five topics together, now and then under a system prompt, in the way people type. The result is a
pure function of this file and topics.toml.
"""

import json
import random
import tomllib
from pathlib import Path
from typing import Any

TALKS = 3000
SEED = 7
FOLDER = Path(__file__).parent

SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Answer briefly.",
    "Be kind and short.",
    "You are a helpful assistant. Answer in English.",
    "Be polite.",
    "You are chatting with a friend.",
    "You are a helpful, honest assistant.",
    "Answer in one or two sentences.",
    "You are the starter model of chatdesk.",
]


class Talks:
    """Draws talks from the topics."""

    def __init__(self, topics: list[dict[str, Any]], slots: dict[str, list[str]], draw: random.Random) -> None:
        self._topics = {topic["name"]: topic for topic in topics}
        self._names = list(self._topics)
        self._weights = [topic["weight"] for topic in topics]
        self._slots = slots
        self._draw = draw

    def talk(self) -> list[dict[str, str]]:
        """One talk: turns of speaker and text."""
        draw, turns = self._draw, []
        if draw.random() < 0.25:
            turns.append({"speaker": "system", "text": draw.choice(SYSTEM_PROMPTS)})
        for topic in map(self._topics.__getitem__, self._outline()):
            filling = {slot: draw.choice(values) for slot, values in self._slots.items()}
            ask = _typed(draw.choice(topic["ask"]).format_map(filling), draw)
            answer = draw.choice(topic["answer"]).format_map(filling)
            turns += [{"speaker": "user", "text": ask}, {"speaker": "assistant", "text": answer}]
        return turns

    def _outline(self) -> list[str]:
        """The topics of one talk, in an order in which people take them."""
        draw = self._draw
        middle = draw.choices(self._names, self._weights, k=draw.choice([1, 1, 1, 2, 2, 3]))
        greeting = draw.choice(["greeting", "greeting", "greeting", "greeting_and_how", "greeting_and_there"])
        shape = draw.random()
        if shape < 0.22:
            return [greeting]
        if shape < 0.32:
            return ["greeting", draw.choice(["user_well", "user_well", "user_unwell", "how_are_you"]), *middle]
        if shape < 0.38:
            return ["introduction", *middle]
        if shape < 0.56:
            return [greeting, *middle]
        return [*middle, *draw.choice([[], [], ["thanks"], ["goodbye"], ["thanks", "goodbye"]])]


def _typed(text: str, draw: random.Random) -> str:
    """The text as people type it: now and then in lower case, without its point, or with an exclamation mark."""
    if draw.random() < 0.3:
        text = text.lower()
    if draw.random() < 0.3:
        return text.rstrip(".?!")
    if text[-1].isalpha() and draw.random() < 0.4:
        return text + draw.choice([".", "!", "!"])
    return text


def main() -> None:
    """Write the file beside this one."""
    read = tomllib.loads((FOLDER / "topics.toml").read_text(encoding="utf-8"))
    talks = Talks(read["topic"], read["slots"], random.Random(SEED))
    lines = [json.dumps({"turns": talks.talk()}, ensure_ascii=False) for _ in range(TALKS)]
    (FOLDER / "exchanges.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
