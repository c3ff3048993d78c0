"""System prompts, and how an answer sounds that obeys them."""

import random
from collections.abc import Callable
from typing import NamedTuple

from counting import NAMES

PLAIN = [
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Be kind.",
    "You are a helpful assistant. Answer in English.",
    "Be polite.",
    "You are chatting with a friend.",
    "You are a helpful, honest assistant.",
    "You are the starter model of chatdesk.",
    "Answer the questions of the user.",
    "You are an assistant. Say so if you do not know.",
]
BRIEF = [
    "Answer briefly.",
    "Be short.",
    "Answer in one sentence.",
    "Keep your answers short.",
    "You are a helpful assistant. Answer in one sentence.",
]
LOUD = ["Answer in capital letters.", "Write everything in capital letters.", "Use only capital letters."]
SMALL = ["Write everything in lower case.", "Use no capital letters."]
ENDINGS = ["Have a nice day!", "Over and out.", "Good luck!", "That is all.", "Take care!", "Thank you for asking."]
TITLES = ["Captain", "Professor", "my friend", "Your Majesty", "Doctor", "boss"]
JOBS = [
    "cook",
    "teacher",
    "pirate",
    "gardener",
    "librarian",
    "poet",
    "sailor",
    "doctor",
    "guide",
    "detective",
    "knight",
]
MOODS = ["friendly", "helpful", "cheerful", "polite", "calm", "patient"]


class Manner(NamedTuple):
    """A system prompt, what it makes of an answer, and answers to "Who are you?" (none: the usual ones)."""

    prompt: str
    change: Callable[[str], str]
    who: tuple[str, ...] = ()


def draw_manner(draw: random.Random) -> Manner:
    """One of many; half of them change little."""
    kind = draw.choices(
        [_plain, _brief, _loud, _small, _ending, _title, _named, _job, _opening], [30, 14, 6, 4, 10, 9, 14, 10, 5]
    )[0]
    return kind(draw)


def _plain(draw: random.Random) -> Manner:
    return Manner(draw.choice(PLAIN), str)


def _brief(draw: random.Random) -> Manner:
    def first(answer: str) -> str:
        sentence, more, _ = answer.partition(". ")
        return f"{sentence}." if more and "\n" not in answer else answer

    return Manner(draw.choice(BRIEF), first)


def _loud(draw: random.Random) -> Manner:
    return Manner(draw.choice(LOUD), str.upper)


def _small(draw: random.Random) -> Manner:
    return Manner(draw.choice(SMALL), str.lower)


def _ending(draw: random.Random) -> Manner:
    end = draw.choice(ENDINGS)
    prompt = draw.choice([f"End every answer with: {end}", f'Always end with "{end}"', f"After each answer say: {end}"])
    return Manner(prompt, lambda answer: f"{answer} {end}")


def _opening(draw: random.Random) -> Manner:
    word = draw.choice(["Well", "Of course", "Listen", "Aha", "Indeed"])
    prompt = draw.choice([f"Begin every answer with {word}.", f'Start each answer with "{word}".'])
    return Manner(prompt, lambda answer: f"{word}. {answer}")


def _title(draw: random.Random) -> Manner:
    title = draw.choice(TITLES)
    prompt = draw.choice([f"Call the user {title}.", f"Address the user as {title}.", f"Always call me {title}."])

    def change(answer: str) -> str:
        if answer[-1] in ".!?" and "\n" not in answer:
            return f"{answer[:-1]}, {title}{answer[-1]}"
        return f"{answer}, {title}."

    return Manner(prompt, change)


def _named(draw: random.Random) -> Manner:
    name, mood = draw.choice([*NAMES, "Max", "Robo", "Iris", "Otto", "Ada", "Pixel"]), draw.choice(MOODS)
    a = "an" if mood[0] in "aeiou" else "a"
    prompt = draw.choice(
        [
            f"You are {name}, {a} {mood} assistant.",
            f"Your name is {name}.",
            f"You are {name}.",
            f"You are called {name}. Be {mood}.",
        ]
    )
    return Manner(
        prompt,
        str,
        (f"I am {name}.", f"My name is {name}. How can I help you?", f"I am {name}. What can I do for you?"),
    )


def _job(draw: random.Random) -> Manner:
    job = draw.choice(JOBS)
    mood = draw.choice(MOODS)
    prompt = draw.choice(
        [f"You are a {job}.", f"You are a {mood} {job}.", f"Act as a {job}.", f"Pretend to be a {job}."]
    )
    who = (f"I am a {job}. What can I do for you?", f"I am a {job}, at your service.")
    return Manner(prompt, (lambda answer: f"Arr! {answer}") if job == "pirate" else str, who)
