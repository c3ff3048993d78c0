"""Exchanges about words and sentences: facts of the closed world of world.toml, rewriting, reading, sorting, and
translating. Sentences are built from parts, so that every rewriting of them is right."""

import random
import tomllib
from pathlib import Path

from counting import DAYS, MEN, NAMES, Pairs, Skill

WORLD = tomllib.loads(Path(__file__).with_name("world.toml").read_text(encoding="utf-8"))
# base form, third person, past, -ing
VERBS = {
    "bread": ("buy", "buys", "bought", "buying"),
    "a letter": ("write", "writes", "wrote", "writing"),
    "a book": ("read", "reads", "read", "reading"),
    "the dog": ("feed", "feeds", "fed", "feeding"),
    "a cake": ("bake", "bakes", "baked", "baking"),
    "the piano": ("play", "plays", "played", "playing"),
    "a song": ("sing", "sings", "sang", "singing"),
    "the car": ("wash", "washes", "washed", "washing"),
    "a picture": ("paint", "paints", "painted", "painting"),
    "tea": ("drink", "drinks", "drank", "drinking"),
    "an apple": ("eat", "eats", "ate", "eating"),
    "the window": ("open", "opens", "opened", "opening"),
    "the door": ("close", "closes", "closed", "closing"),
    "flowers": ("plant", "plants", "planted", "planting"),
    "a film": ("watch", "watches", "watched", "watching"),
    "soup": ("cook", "cooks", "cooked", "cooking"),
    "the guitar": ("practice", "practices", "practiced", "practicing"),
    "a coat": ("wear", "wears", "wore", "wearing"),
    "the bicycle": ("repair", "repairs", "repaired", "repairing"),
    "a ball": ("throw", "throws", "threw", "throwing"),
    "the key": ("find", "finds", "found", "finding"),
    "a hat": ("lose", "loses", "lost", "losing"),
    "the horse": ("ride", "rides", "rode", "riding"),
    "a tree": ("climb", "climbs", "climbed", "climbing"),
    "the newspaper": ("bring", "brings", "brought", "bringing"),
    "a box": ("carry", "carries", "carried", "carrying"),
    "the fence": ("build", "builds", "built", "building"),
    "a friend": ("meet", "meets", "met", "meeting"),
    "milk": ("sell", "sells", "sold", "selling"),
    "a secret": ("tell", "tells", "told", "telling"),
    "the lamp": ("break", "breaks", "broke", "breaking"),
    "a bird": ("see", "sees", "saw", "seeing"),
    "the room": ("clean", "cleans", "cleaned", "cleaning"),
}
PLACES = [
    "in the garden",
    "at home",
    "in the kitchen",
    "at school",
    "in the park",
    "at the market",
    "in the library",
    "at the station",
    "in the old house",
    "by the river",
    "on the bridge",
    "in the tent",
    "near the church",
    "at the office",
    "in the barn",
    "on the roof",
    "in the hotel",
    "by the lake",
    "in the yard",
]
TIMES = ["in the morning", "in the evening", "at noon", "after school", *(f"on {day}" for day in DAYS)]
PEOPLE = [(name, "he" if name in MEN else "she") for name in NAMES]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def capitals(draw: random.Random) -> Pairs:
    """Capitals and continents, now and then with a question after it."""
    country, (city, continent) = draw.choice(list(WORLD["capitals"].items()))
    kind = draw.randrange(5)
    if kind <= 2:
        ask = draw.choice(
            [
                f"What is the capital of {country}?",
                f"Which city is the capital of {country}?",
                f"capital of {country}?",
                f"Do you know the capital of {country}?",
                f"Tell me the capital of {country}.",
            ]
        )
        pairs = [
            (
                ask,
                draw.choice(
                    [f"The capital of {country} is {city}.", f"It is {city}.", f"{city} is the capital of {country}."]
                ),
            )
        ]
        if draw.random() < 0.3:
            pairs.append(
                (
                    draw.choice(["And where is it?", "On which continent is that?", "Which continent is it on?"]),
                    f"{_capital(country)} is in {continent}.",
                )
            )
        elif draw.random() < 0.4:
            other, (capital, _) = draw.choice(list(WORLD["capitals"].items()))
            pairs.append(
                (
                    draw.choice([f"And {other}?", f"And of {other}?", f"What about {other}?"]),
                    f"The capital of {other} is {capital}.",
                )
            )
        return pairs
    if kind == 3:
        return [
            (
                draw.choice(
                    [f"Where is {country}?", f"On which continent is {country}?", f"Which continent is {country} in?"]
                ),
                f"{_capital(country)} is in {continent}.",
            )
        ]
    return [
        (
            draw.choice(
                [
                    f"Which country has the capital {city}?",
                    f"{city} is the capital of which country?",
                    f"What is {city}?",
                ]
            ),
            f"{city} is the capital of {country}.",
        )
    ]


def opposites(draw: random.Random) -> Pairs:
    """The opposite of a word, either way round."""
    first, second = draw.choice([pair for pair in WORLD["opposites"].items() if pair[0] != "light"])
    if draw.random() < 0.5 and first != "hard" and second != "light" and second != "short":
        first, second = second, first
    ask = draw.choice(
        [
            f"What is the opposite of {first}?",
            f"Opposite of {first}",
            f"Give me the opposite of {first}.",
            f'What is the opposite of "{first}"?',
            f"Tell me the opposite of {first}.",
        ]
    )
    return [(ask, draw.choice([f"The opposite of {first} is {second}.", f"{_capital(second)}.", f"It is {second}."]))]


def forms(draw: random.Random) -> Pairs:
    """Plurals, past forms and words of like meaning."""
    kind = draw.randrange(3)
    if kind == 0:
        word, form = draw.choice(list(WORLD["plurals"].items()))
        ask = draw.choice([f"What is the plural of {word}?", f"Plural of {word}?", f"One {word}, two ...?"])
        return [(ask, draw.choice([f"The plural of {word} is {form}.", f"{_capital(form)}."]))]
    if kind == 1:
        word, form = draw.choice(list(WORLD["past"].items()))
        ask = draw.choice(
            [f"What is the past tense of {word}?", f"What is the past of {word}?", f"Past tense of {word}"]
        )
        return [(ask, draw.choice([f"The past tense of {word} is {form}.", f"It is {form}."]))]
    word, form = draw.choice(list(WORLD["synonyms"].items()))
    ask = draw.choice(
        [
            f"What is another word for {word}?",
            f"Give me a synonym for {word}.",
            f"What does {word} mean?",
            f"Say {word} in another way.",
        ]
    )
    return [(ask, draw.choice([f"Another word for {word} is {form}.", f"You can say {form}."]))]


def lists(draw: random.Random) -> Pairs:
    """So many things of a kind, as a sentence, with numbers or with strokes; sometimes more of them."""
    group, members = draw.choice(list(WORLD["groups"].items()))
    most = len(members) if len(members) <= 5 else 5
    number = draw.randint(2, most)
    chosen = draw.sample(members, number)
    plural = {"city": "cities", "country": "countries", "piece of furniture": "pieces of furniture"}.get(
        group, group + "s"
    )
    word = ["", "", "two", "three", "four", "five"][number]
    count = draw.choice([word, str(number)])
    form = draw.random()
    ask = draw.choice(
        [
            f"Name {count} {plural}.",
            f"List {count} {plural}.",
            f"Give me {count} {plural}.",
            f"Tell me {count} {plural}.",
            f"Can you name {count} {plural}?",
            f"I need {count} {plural}.",
        ]
    )
    answer = f"{_capital(', '.join(chosen[:-1]))} and {chosen[-1]}."
    if form < 0.15:
        ask, answer = (
            f"{ask} Make a numbered list.",
            "\n".join(f"{place}. {_capital(item)}" for place, item in enumerate(chosen, 1)),
        )
    elif form < 0.3:
        ask, answer = f"{ask} Make a list.", "\n".join(f"- {_capital(item)}" for item in chosen)
    elif form < 0.5:
        answer = f"{_capital(word)} {plural} are {', '.join(chosen[:-1])} and {chosen[-1]}."
    pairs = [(ask, answer)]
    rest = [member for member in members if member not in chosen]
    if len(rest) > 1 and draw.random() < 0.3:
        more = draw.sample(rest, 2)
        pairs.append(
            (draw.choice(["Two more, please.", "Two more.", "And two more?"]), f"{_capital(more[0])} and {more[1]}.")
        )
    return pairs


def _kind(group: str, one: bool) -> str:
    """The name of a group behind "is" or "are"."""
    return f"{'an' if group[0] in 'aeiou' else 'a'} {group}" if one else f"{group}s"


def sorting(draw: random.Random) -> Pairs:
    """Whether a thing is of a kind, which one is not, and which is larger."""
    groups = WORLD["groups"]
    kind = draw.randrange(3)
    if kind == 0:
        things = draw.choice(list(WORLD["sizes"].values()))
        first, second = draw.sample(range(len(things)), 2)
        large = draw.random() < 0.6
        right = things[max(first, second) if large else min(first, second)]
        word = "larger" if large else "smaller"
        other = things[first + second - things.index(right)]
        return [
            (
                f"What is {draw.choice(['bigger', word]) if large else word}, {things[first]} or {things[second]}?",
                f"{_capital(right)} is {word} than {other}.",
            )
        ]
    safe = ["fruit", "vegetable", "bird", "sport", "profession", "vehicle", "flower", "tool", "planet", "language"]
    group, other = draw.sample(safe, 2)
    if kind == 1:
        true = draw.random() < 0.5
        kind_of = group if true else other
        thing = draw.choice(groups[kind_of])
        one = kind_of in {"sport", "planet", "language"}  # the others stand in the plural
        verb = "is" if one else "are"
        ask = f"{_capital(verb)} {thing} {_kind(group, one)}?"
        if true:
            return [(ask, draw.choice([f"Yes, {thing} {verb} {_kind(group, one)}.", "Yes."]))]
        return [(ask, f"No, {thing} {verb} {_kind(other, one)}.")]
    items = [*draw.sample(groups[group], 3), odd := draw.choice(groups[other])]
    draw.shuffle(items)
    ask = draw.choice([f"Which one does not belong: {', '.join(items)}?", f"Find the odd one out: {', '.join(items)}."])
    return [(ask, f"{_capital(odd)}, because the others are {group}s.")]


def translating(draw: random.Random) -> Pairs:
    """English to Chinese and back."""
    english, chinese = draw.choice(list(WORLD["translations"].items()))
    if draw.random() < 0.5:
        ask = draw.choice(
            [
                f"How do you say {english} in Chinese?",
                f"Translate into Chinese: {english}",
                f'What is "{english}" in Chinese?',
                f"{english} in Chinese",
                f"用中文怎么说 {english}？",
                f"翻译成中文：{english}",
            ]
        )
        return [(ask.replace("..", "."), draw.choice([f"{chinese}", f"In Chinese: {chinese}"]))]
    ask = draw.choice(
        [
            f"What does {chinese} mean?",
            f"Translate into English: {chinese}",
            f"What is {chinese} in English?",
            f"{chinese}用英文怎么说？",
            f"翻译成英文：{chinese}",
        ]
    )
    return [(ask, draw.choice([_capital(english), f"It means: {english}"]))]


def feelings(draw: random.Random) -> Pairs:
    """Whether a sentence is positive, negative or neutral."""
    label = draw.choice(["positive", "positive", "negative", "negative", "neutral"])
    text = draw.choice(WORLD["feelings"][label])
    ask = draw.choice(
        [
            f"Is this positive or negative? {text}",
            f"What is the sentiment of this sentence: {text}",
            f'Positive, negative or neutral: "{text}"',
            f"Classify the feeling: {text}",
            f"Does this sound happy or unhappy? {text}",
            f"Sentiment: {text}",
        ]
    )
    if "happy or unhappy" in ask:
        return [
            (
                ask,
                {
                    "positive": "It sounds happy.",
                    "negative": "It sounds unhappy.",
                    "neutral": "It sounds neither happy nor unhappy.",
                }[label],
            )
        ]
    return [(ask, draw.choice([f"It is {label}.", f"{_capital(label)}.", f"The sentence is {label}."]))]


def reading(draw: random.Random) -> Pairs:
    """A sentence or two, and one to three questions that they answer."""
    (name, he), thing, place, time = (
        draw.choice(PEOPLE),
        draw.choice(list(VERBS)),
        draw.choice(PLACES),
        draw.choice(TIMES),
    )
    base, _, past, _ = VERBS[thing]
    text = f"{name} {past} {thing} {place} {time}."
    questions = [
        (f"Who {past} {thing}?", draw.choice([f"{name} {past} {thing}.", f"{name}."])),
        (f"What did {name} {base}?", f"{name} {past} {thing}."),
        (
            f"Where did {name} {base} {thing}?",
            draw.choice(
                [
                    f"{_capital(he)} {past} it {place}." if thing != "flowers" else f"{_capital(place)}.",
                    f"{_capital(place)}.",
                ]
            ),
        ),
        (f"When did {name} {base} {thing}?", draw.choice([f"{name} {past} {thing} {time}.", f"{_capital(time)}."])),
    ]
    if draw.random() < 0.5:
        (other, _), food = (
            draw.choice([person for person in PEOPLE if person[0] != name]),
            draw.choice([t for t in VERBS if t != thing]),
        )
        otherwise = VERBS[food][2]
        text += f" {other} {otherwise} {food}."
        questions.append((f"What did {other} do?", f"{other} {otherwise} {food}."))
        questions.append((f"Who {otherwise} {food}?", draw.choice([f"{other} {otherwise} {food}.", f"{other}."])))
    if draw.random() < 0.15:
        questions = [
            (f"How old is {name}?", "The text does not say."),
            (f"What color is the house of {name}?", "The text does not say that."),
        ]
    asked = draw.sample(questions, draw.choice([1, 1, 2]))
    first = draw.choice(
        [f"{text} {asked[0][0]}", f"Read this: {text} {asked[0][0]}", f"Text: {text} Question: {asked[0][0]}"]
    )
    return [(first, asked[0][1]), *asked[1:]]


def rewriting(draw: random.Random) -> Pairs:
    """A built sentence in another form: tense, question, negative, person, shorter, capitals and full stop."""
    (name, he), thing, place, time = (
        draw.choice(PEOPLE),
        draw.choice(list(VERBS)),
        draw.choice(PLACES),
        draw.choice(TIMES),
    )
    base, third, past, ing = VERBS[thing]
    now, then = f"{name} {third} {thing} {place}.", f"{name} {past} {thing} {place}."
    asks = {
        "past": (["Put this into the past", "Write this in the past tense", "Change to the past tense"], now, then),
        "present": (["Put this into the present", "Write this in the present tense"], then, now),
        "future": (
            ["Put this into the future", "Write this in the future tense"],
            now,
            f"{name} will {base} {thing} {place}.",
        ),
        "question": (
            ["Make a question of this", "Turn this into a question"],
            then,
            f"Did {name} {base} {thing} {place}?",
        ),
        "negative": (
            ["Say the opposite with not", "Make this negative"],
            then,
            f"{name} did not {base} {thing} {place}.",
        ),
        "pronoun": (
            ["Use he or she instead of the name", "Replace the name by he or she"],
            then,
            f"{_capital(he)} {past} {thing} {place}.",
        ),
        "shorter": (
            ["Make this shorter", "Shorten this", "Say it in fewer words", "Shorten this sentence"],
            f"{then[:-1]} {time}.",
            f"{name} {past} {thing}.",
        ),
        "ing": (["Say that it is happening now", "Use the -ing form"], now, f"{name} is {ing} {thing} {place}."),
        "upper": (
            ["Write this in capital letters", "Write this in upper case"],
            f"{name} {past} {thing}.",
            f"{name} {past} {thing}.".upper(),
        ),
        "mend": (
            ["Correct this", "Fix the mistakes", "Correct the spelling and punctuation"],
            f"{name} {past} {thing} {place}".lower(),
            then,
        ),
        "agree": (
            ["Correct this", "Fix the grammar"],
            f"{name} {base} {thing} {place}." if base != past else f"{name} am {ing} {thing}.",
            now if base != past else f"{name} is {ing} {thing}.",
        ),
        "repeat": (["Repeat after me", "Say this", "Repeat this sentence"], then, then),
    }
    orders, given, result = draw.choice(list(asks.values()))
    order = draw.choice(orders)
    ask = draw.choice(
        [
            f"{order}: {given}",
            f'{order}: "{given}"',
            f"{order}.\n{given}",
            f"Please {order[0].lower()}{order[1:]}: {given}",
        ]
    )
    return [(ask, draw.choice([result, result, f'"{result}"' if '"' in ask else result]))]


def polite(draw: random.Random) -> Pairs:
    """A rough demand made polite."""
    demand = draw.choice(
        [
            "give me the salt",
            "close the door",
            "help me",
            "wait a moment",
            "send me the letter",
            "tell me the time",
            "call me back",
            "bring me some water",
            "speak more slowly",
            "open the window",
            "move your car",
            "show me the way",
        ]
    )
    ask = (
        draw.choice(["Make this more polite: ", "Say this politely: ", "Rewrite this in a friendly way: "])
        + _capital(demand)
        + draw.choice(["!", "."])
    )
    return [
        (
            ask,
            draw.choice(
                [f"Could you please {demand}?", f"Would you mind? Please {demand}.", f"Please {demand}, if you can."]
            ),
        )
    ]


SKILLS: dict[Skill, float] = {
    capitals: 6,
    opposites: 4,
    forms: 3,
    lists: 6,
    sorting: 4,
    translating: 4,
    feelings: 4,
    reading: 7,
    rewriting: 7,
    polite: 1.5,
}
