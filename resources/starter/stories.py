"""Small pieces of writing: stories made of fitting parts, letters, jokes, riddles and rhymes."""

import random
import tomllib
from pathlib import Path

from counting import NAMES, Pairs, Skill

LORE = tomllib.loads(Path(__file__).with_name("lore.toml").read_text(encoding="utf-8"))
# who, pronouns, home
HEROES = [
    ("fox", "he", "his", "forest"),
    ("rabbit", "she", "her", "meadow"),
    ("bear", "he", "his", "forest"),
    ("mouse", "she", "her", "old mill"),
    ("dog", "he", "his", "village"),
    ("cat", "she", "her", "little house"),
    ("bird", "she", "her", "oak tree"),
    ("king", "he", "his", "castle"),
    ("girl", "she", "her", "small town"),
    ("boy", "he", "his", "village"),
    ("sailor", "he", "his", "harbor"),
    ("robot", "he", "his", "workshop"),
    ("dragon", "he", "his", "mountain"),
    ("princess", "she", "her", "tower"),
    ("fisherman", "he", "his", "hut by the sea"),
    ("lighthouse keeper", "he", "his", "lighthouse"),
    ("witch", "she", "her", "wood"),
    ("farmer", "he", "his", "farmhouse"),
]
# what is wished, how it goes wrong, who helps and how, how it ends
PLOTS = [
    (
        "wanted to see the sea",
        "the road was long and it began to rain",
        "an old woman with a cart took {o} along",
        "stood on the beach at last and laughed for joy",
    ),
    (
        "had lost a golden key",
        "looked in every corner and could not find it",
        "a small bird showed {o} where it lay",
        "thanked the bird and shared {p} bread with it",
    ),
    (
        "wanted to find a friend",
        "everyone was busy and nobody had time",
        "a shy hedgehog asked {o} to play",
        "was never alone again",
    ),
    (
        "was hungry in the cold winter",
        "all the shops were closed",
        "a kind neighbor brought {o} warm soup",
        "learned how to cook soup and gave some to others",
    ),
    (
        "wanted to learn how to sing",
        "the first songs sounded terrible",
        "an old owl taught {o} one note every evening",
        "sang so well that everyone came to listen",
    ),
    (
        "heard a strange noise at night",
        "was afraid and hid under the bed",
        "a little light came in and it was only the wind",
        "went back to sleep and smiled",
    ),
    (
        "wanted to build a boat",
        "the first boat sank at once",
        "a beaver showed {o} how to choose the wood",
        "sailed across the lake in the evening sun",
    ),
    (
        "found a map with a red cross",
        "the path ended at a deep river",
        "a turtle carried {o} across",
        "dug up a box full of old books and read them all",
    ),
    (
        "wanted to plant an apple tree",
        "the summer was dry and the little tree was weak",
        "a friend helped {o} to carry water every day",
        "picked the first sweet apple years later",
    ),
    (
        "got lost in the fog",
        "every tree looked the same",
        "a bell rang far away and led {o} home",
        "rang the same bell for others whenever the fog came",
    ),
    (
        "had to bring a letter to the queen",
        "a storm tore down the bridge",
        "a goat knew another way over the hills",
        "arrived in time, and the queen was glad",
    ),
    (
        "wished for a star",
        "climbed the highest hill and could not reach it",
        "a lake below showed {o} all the stars at once",
        "was content and came back every night",
    ),
]
OPENINGS = [
    "Once upon a time there was a {h} who lived in a {k}.",
    "In a {k} there lived a {h}.",
    "There was once a {h} in a {k}.",
    "Long ago a {h} lived in a {k}.",
]
DAYS = ["One day", "One morning", "One evening", "In spring", "On a windy day"]


def _parts(draw: random.Random, hero: tuple[str, str, str, str]) -> tuple[list[str], str]:
    """The five sentences of a story, and the story in one."""
    name, he, his, home = hero
    him = {"he": "him", "she": "her"}[he]
    wish, trouble, helper, end = (part.format(o=him, p=his) for part in draw.choice(PLOTS))
    opening = draw.choice(OPENINGS).format(h=name, k=home)
    for vowel in "aeiou":
        opening = opening.replace(f" a {vowel}", f" an {vowel}")
    own = not trouble.startswith(("the ", "everyone", "all ", "every ", "a "))
    subject = he if own else ""
    trouble = f"{draw.choice(['But', 'Yet'])} {subject + ' ' if own else ''}{trouble}."
    sentences = [
        opening,
        f"{draw.choice(DAYS)} the {name} {wish}.",
        trouble,
        f"Then {helper}.",
        f"{draw.choice(['In the end', 'So'])} the {name} {end}.",
    ]
    a = "An" if name[0] in "aeiou" else "A"
    return sentences, f"{a} {name} {wish}, and in the end {he} {end}."


def story(draw: random.Random) -> Pairs:
    """A story on demand; sometimes the hero is named after it."""
    hero = draw.choice(HEROES)
    parts, _ = _parts(draw, hero)
    about = ("an " if hero[0][0] in "aeiou" else "a ") + hero[0]
    ask = draw.choice(
        [
            f"Tell me a story about {about}.",
            f"Write a short story about {about}.",
            f"Can you tell me a story about {about}?",
            f"Make up a story about {about}.",
            "Tell me a story.",
            "Tell me a short story.",
            f"Write a story with {about} in it.",
            f"I would like a story about {about}.",
            "Can you write a story?",
        ]
    )
    pairs = [(ask, " ".join(parts))]
    if draw.random() < 0.3:
        follow = draw.choice(["Who is the story about?", "Who was in the story?", "What was the story about?"])
        pairs.append((follow, draw.choice([f"It is about {about}.", f"The story is about {about}."])))
    elif draw.random() < 0.3:
        pairs.append(
            (
                draw.choice(["Another one!", "Tell me another story.", "One more, please."]),
                " ".join(_parts(draw, draw.choice(HEROES))[0]),
            )
        )
    return pairs


def continued(draw: random.Random) -> Pairs:
    """The rest of a story whose beginning is given, at any of its points."""
    parts, _ = _parts(draw, draw.choice(HEROES))
    cut = draw.randint(1, 3)
    begin = " ".join(parts[:cut])
    ask = draw.choice(
        [
            f"Continue this story: {begin}",
            f"Go on with the story: {begin}",
            f"{begin} What happened next?",
            f"How does this story go on? {begin}",
            f"Finish the story: {begin}",
            f"Please continue: {begin}",
        ]
    )
    return [(ask, " ".join(parts[cut:]))]


def shortened(draw: random.Random) -> Pairs:
    """A story in one sentence."""
    parts, summary = _parts(draw, draw.choice(HEROES))
    body = " ".join(parts[:2] + parts[3:])
    ask = draw.choice(
        [f"Summarize this story: {body}", f"Make this shorter: {body}", f"Say this in one sentence: {body}"]
    )
    return [(ask, summary)]


def letter(draw: random.Random) -> Pairs:
    """A note to somebody for a reason."""
    to, name = (
        draw.choice(["boss", "teacher", "friend", "neighbor", "landlord", "mother", "brother"]),
        draw.choice(NAMES),
    )
    reason, text = draw.choice(
        [
            ("I am ill", "I am ill today and cannot come. I hope to be back soon."),
            ("I will be late", "I am sorry, but I will be late today. Please start without me."),
            ("I want to say thank you", "Thank you very much for your help. It meant a lot to me."),
            ("I am sorry", "I am very sorry for what I said. I did not mean it, and I hope you can forgive me."),
            ("I need a day off", "I would like to take a day off on Friday. Please tell me if that is possible."),
            (
                "I invite them to my birthday",
                "My birthday is on Saturday, and I would be happy if you came. There will be cake.",
            ),
            ("I cannot come to the meeting", "I am afraid I cannot come to the meeting. Could we find another day?"),
            ("I moved to a new house", "I have moved to a new house. Come and visit me when you have time."),
        ]
    )
    form = draw.choice(["a short email", "a letter", "a note", "a message", "an email"])
    ask = draw.choice(
        [
            f"Write {form} to my {to}: {reason}.",
            f"Please write {form} to my {to} because {reason}.",
            f"Help me write {form} to my {to}. {reason}.",
        ]
    )
    ask = ask[0] + ask[1:].replace(". i ", ". I ")
    if draw.random() < 0.4:
        return [(f"{ask} My name is {name}.", f"Dear {to},\n{text}\nBest wishes,\n{name}")]
    return [(ask, f"Dear {to},\n{text}\nBest wishes")]


def joke(draw: random.Random) -> Pairs:
    """One or two jokes."""
    first, second = draw.sample(LORE["writing"]["jokes"], 2)
    pairs = [
        (
            draw.choice(
                [
                    "Tell me a joke.",
                    "Do you know a joke?",
                    "Make me laugh.",
                    "A joke, please.",
                    "Say something funny.",
                    "Can you tell me a joke?",
                ]
            ),
            first,
        )
    ]
    if draw.random() < 0.35:
        pairs.append(
            (draw.choice(["Another one.", "Tell me another joke.", "One more!", "Haha, another one please."]), second)
        )
    return pairs


def riddle(draw: random.Random) -> Pairs:
    """A riddle, then its answer; or a riddle answered."""
    question, answer = draw.choice(LORE["writing"]["riddles"])
    if draw.random() < 0.4:
        return [(question, answer)]
    give_up = draw.choice(["I don't know.", "I give up.", "Tell me.", "What is it?", "No idea."])
    return [
        (draw.choice(["Tell me a riddle.", "Do you know a riddle?", "Give me a riddle."]), question),
        (give_up, f"The answer is: {answer[0].lower()}{answer[1:]}"),
    ]


def poem(draw: random.Random) -> Pairs:
    """Four lines on a subject."""
    subject, texts = draw.choice(list(LORE["poems"].items()))
    ask = draw.choice(
        [
            f"Write a poem about {subject}.",
            f"Can you write a short poem about {subject}?",
            f"A poem about {subject}, please.",
            f"Write me a few lines about {subject}.",
            "Write a poem.",
        ]
    )
    return [(ask, draw.choice(texts))]


def fact(draw: random.Random) -> Pairs:
    """A question from the closed list of plain matters."""
    entry = draw.choice(LORE["fact"])
    return [(draw.choice(entry["ask"]), draw.choice(entry["answer"]))]


SKILLS: dict[Skill, float] = {story: 5, continued: 5, shortened: 2, letter: 3, joke: 2, riddle: 1.5, poem: 2, fact: 9}
