"""Writes the exchanges of the last stage: talks that teach the model in the box to open, answer, obey and not to know.

    python resources/starter/make_exchanges.py DIR/exchanges.jsonl [TALKS]

A talk strings one to eleven pairs of question and answer together, now and then under a system prompt, in the way
people type. Pairs come from topics (topics.toml, about.toml, chinese.toml) and from skills, whose answers are computed
(counting.py, wording.py, stories.py) or read from the program's own texts (manual.py). The result is a pure function of
these files and of chatdesk's option and key tables.
"""

import argparse
import json
import random
import tomllib
from pathlib import Path
from typing import Any

import counting
import manual
import stories
import wording
from counting import NAMES, Pairs, Skill
from manners import Manner, draw_manner

TALKS = 80_000
SEED = 7
FOLDER = Path(__file__).parent

KINDS = {"topic": 30, "about": 14, "manual": 14, "counting": 13, "wording": 19, "stories": 12, "recall": 5}
SKILLS: dict[str, dict[Skill, float]] = {
    "manual": manual.SKILLS,
    "counting": counting.SKILLS,
    "wording": wording.SKILLS,
    "stories": stories.SKILLS,
}
# what a person tells, how it is asked for later, the answer to that
FACTS = [
    ("My name is {v}.", "What is my name?", "Your name is {v}.", NAMES),
    ("I am {v}.", "Do you remember my name?", "Yes, your name is {v}.", NAMES),
    (
        "My dog is called {v}.",
        "What is my dog called?",
        "Your dog is called {v}.",
        ["Rex", "Bella", "Bruno", "Luna", "Rocky"],
    ),
    (
        "My cat is called {v}.",
        "What is the name of my cat?",
        "Your cat is called {v}.",
        ["Tiger", "Misty", "Felix", "Snow"],
    ),
    (
        "My favorite color is {v}.",
        "What is my favorite color?",
        "Your favorite color is {v}.",
        ["blue", "red", "green", "yellow"],
    ),
    (
        "I live in {v}.",
        "Where do I live?",
        "You live in {v}.",
        ["Rome", "London", "a small village", "Canada", "Spain", "Paris"],
    ),
    ("I am {v} years old.", "How old am I?", "You are {v} years old.", [str(age) for age in range(9, 90)]),
    (
        "I work as a {v}.",
        "What is my job?",
        "You work as a {v}.",
        ["teacher", "nurse", "baker", "pilot", "painter", "farmer"],
    ),
    (
        "My favorite food is {v}.",
        "What is my favorite food?",
        "Your favorite food is {v}.",
        ["pizza", "rice", "soup", "pasta", "fish"],
    ),
    (
        "The secret word is {v}.",
        "What is the secret word?",
        "The secret word is {v}.",
        [
            "lantern",
            "river",
            "button",
            "maple",
            "cloud",
            "anchor",
            "violin",
            "pepper",
            "window",
            "marble",
            "rocket",
            "feather",
            "castle",
            "ginger",
        ],
    ),
]
NOTED = [
    "I will remember that in this conversation.",
    "Good to know!",
    "Thank you for telling me.",
    "I see. That is nice.",
]


def _topics(*names: str) -> dict[str, dict[str, Any]]:
    read = [tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))["topic"] for name in names]
    return {topic["name"]: topic for part in read for topic in part}


class Talks:
    """Draws talks."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._talk = _topics("topics.toml")
        self._about = _topics("about.toml")
        self._chinese = _topics("chinese.toml")
        self._slots = tomllib.loads((FOLDER / "topics.toml").read_text(encoding="utf-8"))["slots"]

    def talk(self) -> list[dict[str, str]]:
        """One talk: turns of speaker and text."""
        draw = self._draw
        if draw.random() < 0.11:
            return _turns(None, [pair for _ in range(self._length()) for pair in self._chinese_pairs()])
        manner = draw_manner(draw) if draw.random() < 0.3 else None
        pairs = self._opening(manner)
        length = self._length()
        told: list[tuple[str, str]] = []
        while len(pairs) < length:
            pairs += [pair for pair in self._part(told) if pair[0] not in {ask for ask, _ in pairs}]
            pairs += self._reaction(pairs)
        if draw.random() < 0.2:
            pairs += self._from(self._talk, draw.choice(["thanks", "goodbye"]))
        pairs = [(_typed(ask, draw), answer) for ask, answer in pairs[:11]]
        if manner is not None:
            pairs = [(ask, manner.change(answer)) for ask, answer in pairs]
        return _turns(manner and manner.prompt, pairs)

    def _length(self) -> int:
        return self._draw.choices([1, 2, 3, 4, 6, 8, 10], [30, 20, 12, 10, 9, 9, 10])[0]

    def _opening(self, manner: Manner | None) -> Pairs:
        draw = self._draw
        pairs = []
        if draw.random() < 0.3:
            pairs += self._from(
                self._talk, draw.choice(["greeting", "greeting", "greeting_and_how", "greeting_and_there"])
            )
            if pairs[-1][1].endswith("are you?") and draw.random() < 0.7:
                pairs += self._from(self._talk, draw.choice(["user_well", "user_well", "user_unwell"]))
        elif draw.random() < 0.06:
            pairs += self._from(self._talk, "introduction")
        if manner is not None and manner.who and draw.random() < 0.7:
            pairs.append((draw.choice(self._talk["who"]["ask"][-20:]), draw.choice(manner.who)))
        return pairs

    def _part(self, told: list[tuple[str, str]]) -> Pairs:
        """The next few pairs; ``told`` holds the questions that what a person told can answer."""
        draw = self._draw
        kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "recall":
            return self._recall(told)
        if kind == "topic":
            weights = [topic["weight"] for topic in self._talk.values()]
            return self._from(self._talk, draw.choices(list(self._talk), weights)[0])
        if kind == "about":
            return self._from(self._about, draw.choice(list(self._about)))
        skills = SKILLS[kind]
        return draw.choices(list(skills), list(skills.values()))[0](draw)

    def _from(self, topics: dict[str, dict[str, Any]], name: str) -> Pairs:
        draw, topic = self._draw, topics[name]
        filling = {slot: draw.choice(values) for slot, values in self._slots.items()}
        return [(draw.choice(topic["ask"]).format_map(filling), draw.choice(topic["answer"]).format_map(filling))]

    def _recall(self, told: list[tuple[str, str]]) -> Pairs:
        """Something told now, or asked for that was told before, or was not."""
        draw = self._draw
        if told and draw.random() < 0.7:
            return [told.pop()]
        say, ask, answer, values = draw.choice(FACTS)
        if draw.random() < 0.12 and not told:
            return [(ask, draw.choice(["You have not told me yet.", "I do not know. You have not told me."]))]
        value = draw.choice(values)
        if not told:
            told.append((ask, answer.format(v=value)))
        noted = draw.choice(NOTED)
        if values is NAMES:
            noted = draw.choice([f"Nice to meet you, {value}!", f"Hello, {value}! What can I do for you?"])
        pairs = [(say.format(v=value), noted)]
        if draw.random() < 0.5 and told:
            pairs.append(told.pop())
        return pairs

    def _reaction(self, pairs: Pairs) -> Pairs:
        """Now and then what people say to an answer: shorter, again, are you sure."""
        draw, answer = self._draw, pairs[-1][1]
        if draw.random() > 0.08:
            return []
        kind = draw.randrange(3)
        sentences = answer.split(". ")
        if kind == 0 and len(sentences) > 1 and "\n" not in answer:
            return [
                (
                    draw.choice(["Shorter, please.", "Say that in one sentence.", "Too long."]),
                    sentences[0].rstrip(".") + ".",
                )
            ]
        if kind == 1:
            return [
                (
                    draw.choice(["What did you say?", "Please repeat that.", "Say that again.", "Can you repeat?"]),
                    answer,
                )
            ]
        return [
            (
                draw.choice(["Are you sure?", "Is that true?", "Really?"]),
                draw.choice(
                    [
                        "I think so, but I am a small model, so please check it.",
                        "I believe so. I am often wrong, though.",
                        "I am fairly sure, but I can be wrong.",
                    ]
                ),
            )
        ]

    def _chinese_pairs(self) -> Pairs:
        draw = self._draw
        if draw.random() < 0.2:
            skills = counting.CHINESE
            return draw.choices(list(skills), list(skills.values()))[0](draw)
        names = list(self._chinese)
        topic = self._chinese[draw.choices(names, [self._chinese[name]["weight"] for name in names])[0]]
        return [(draw.choice(topic["ask"]), draw.choice(topic["answer"]))]


def _turns(prompt: str | None, pairs: Pairs) -> list[dict[str, str]]:
    turns = [{"speaker": "system", "text": prompt}] if prompt else []
    for ask, answer in dict(pairs).items():
        turns += [{"speaker": "user", "text": ask}, {"speaker": "assistant", "text": answer}]
    return turns


def _typed(text: str, draw: random.Random) -> str:
    """The text as people type it: in lower case, without its point, with a slip, a please or an exclamation mark."""
    chance = draw.random
    if text[0].isascii() and text.endswith(("?", ".")) and "\n" not in text and chance() < 0.06:
        first = text[0] if text.startswith(("I ", "I'")) else text[0].lower()
        text = draw.choice(["Please: ", "Hey, ", "Okay, ", "So, ", "And ", "Now, ", "Tell me, "]) + first + text[1:]
    if chance() < 0.28 and ":" not in text and '"' not in text:
        text = text.lower()
    if chance() < 0.25:
        text = text.rstrip(".?!") or text
    elif text[-1].isalpha() and chance() < 0.3:
        text += draw.choice([".", "!", "!"])
    if len(text) > 12 and ":" not in text and '"' not in text and chance() < 0.06:
        place = draw.randrange(1, len(text) - 2)
        if text[place : place + 2].isalpha():
            swapped = text[place + 1] + text[place]
            text = text[:place] + draw.choice([swapped, text[place]]) + text[place + 2 :]
    return text


def main() -> None:
    """Write the file named on the command line."""
    parser = argparse.ArgumentParser(description="Write talks for the last stage of the training.")
    parser.add_argument("file", type=Path, help="where to write the JSON lines")
    parser.add_argument("talks", type=int, nargs="?", default=TALKS, help="how many talks (%(default)s)")
    given = parser.parse_args()
    talks = Talks(random.Random(SEED))
    given.file.parent.mkdir(parents=True, exist_ok=True)
    with given.file.open("w", encoding="utf-8") as file:
        for _ in range(given.talks):
            file.write(json.dumps({"turns": talks.talk()}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
