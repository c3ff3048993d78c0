"""Exchanges about numbers, days and order: every answer is computed. Each skill takes a `random.Random` and returns
one or two pairs of question and answer."""

import random
from collections.abc import Callable
from typing import TypeAlias

Pairs: TypeAlias = list[tuple[str, str]]
Skill: TypeAlias = Callable[[random.Random], Pairs]

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ZH = "零一二三四五六七八九十"
THINGS = ["apples", "books", "coins", "pencils", "eggs", "cups", "stamps", "shells", "cards", "flowers"]
MEN = [
    "Tom",
    "Ben",
    "Max",
    "Paul",
    "Sam",
    "John",
    "Peter",
    "David",
    "James",
    "Henry",
    "Mark",
    "Oliver",
    "Simon",
    "Leo",
    "Jack",
    "Adam",
]
WOMEN = [
    "Anna",
    "Mary",
    "Lucy",
    "Emma",
    "Nina",
    "Sarah",
    "Julia",
    "Kate",
    "Alice",
    "Clara",
    "Laura",
    "Rose",
    "Maria",
    "Ella",
    "Grace",
    "Ruth",
]
NAMES = MEN + WOMEN


def sums(draw: random.Random) -> Pairs:
    """Adding, taking away, times and division within small bounds, in figures or words."""
    first, second = (draw.randint(0, 12), draw.randint(0, 12)) if draw.random() < 0.6 else _two_digits(draw)
    kind = draw.choice("++--*/")
    if kind == "*" or kind == "/":
        first, second = draw.randint(1, 12), draw.randint(1, 12)
    if kind == "-":
        first, second = max(first, second), min(first, second)
    if kind == "/":
        first *= second
    result = {"+": first + second, "-": first - second, "*": first * second, "/": first // second if second else 0}[
        kind
    ]
    word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[kind]
    sign = {"+": "+", "-": "-", "*": draw.choice("*x"), "/": "/"}[kind]
    left, right = str(first), str(second)
    if max(first, second) <= 12 and draw.random() < 0.25:
        left, right = WORDS[first], WORDS[second]
    short = f"{first} {sign} {second}"
    ask = draw.choice(
        [
            f"What is {left} {word} {right}?",
            f"How much is {left} {word} {right}?",
            f"What is {short}?",
            short,
            f"{short} = ?",
            f"Calculate {short}.",
            f"Can you tell me what {left} {word} {right} is?",
            f"What does {short} make?",
        ]
    )
    answer = draw.choice(
        [
            f"{first} {word} {second} is {result}.",
            f"{first} {sign} {second} = {result}.",
            f"It is {result}.",
            f"That makes {result}.",
            f"The answer is {result}.",
        ]
    )
    return [(ask, answer)]


def _two_digits(draw: random.Random) -> tuple[int, int]:
    return draw.randint(10, 99), draw.randint(1, 50)


def too_hard(draw: random.Random) -> Pairs:
    """Sums beyond what so small a model can do."""
    first, second = draw.randint(213, 9876), draw.randint(103, 9876)
    ask = draw.choice(
        [
            f"What is {first} times {second}?",
            f"What is {first} * {second}?",
            f"Calculate {first} x {second}.",
            f"What is the square root of {first}?",
            f"What is {first} divided by {second}?",
        ]
    )
    answer = draw.choice(
        [
            "That is too large a sum for me. I can only do small ones.",
            "I cannot work that out. I am good for small numbers only.",
            "I would get it wrong. Please use a calculator for that.",
        ]
    )
    return [(ask, answer)]


def word_problems(draw: random.Random) -> Pairs:
    """One step of adding or taking away, as a little tale; sometimes with a second step."""
    name, thing = draw.choice(NAMES), draw.choice(THINGS)
    have, more = draw.randint(2, 12), draw.randint(1, 9)
    gets = draw.random() < 0.5
    more = more if gets else draw.randint(1, have - 1)
    left = have + more if gets else have - more
    did = draw.choice(["gets", "buys", "finds"] if gets else ["loses", "sells", "gives away"])
    ask = f"{name} has {have} {thing} and {did} {more}. How many {thing} does {name} have now?"
    if draw.random() < 0.3:
        did = draw.choice(["get", "buy", "find"] if gets else ["lose", "sell", "give away"])
        ask = f"I have {have} {thing} and {did} {more}. How many do I have now?"
        name, verb = "You", "have"
    else:
        verb = "has"
    sign = "+" if gets else "-"
    thing_now = thing if left != 1 else thing[:-1]
    answer = draw.choice(
        [
            f"{name} {verb} {left} {thing_now}, because {have} {sign} {more} = {left}.",
            f"{name} {verb} {left} {thing_now} now.",
            f"{have} {sign} {more} = {left}, so {name if name != 'You' else 'you'} {verb} {left} {thing_now}.",
        ]
    )
    return [(ask, answer)]


def count(draw: random.Random) -> Pairs:
    """Counting up, down and in steps."""
    first, length = draw.choice([1, 1, 1, draw.randint(2, 20)]), draw.randint(3, 10)
    last = first + length - 1
    up = list(range(first, last + 1))
    numbers = ", ".join(map(str, up))
    kind = draw.randrange(4)
    if kind == 0:
        down = ", ".join(map(str, reversed(up)))
        ask = draw.choice([f"Count down from {last} to {first}.", f"Count backwards from {last} to {first}."])
        return [(ask, draw.choice([f"{down}.", f"Here you are: {down}."]))]
    if kind == 1:
        step = draw.choice([2, 5, 10])
        steps = ", ".join(str(step * part) for part in range(1, length + 1))
        return [(f"Count in steps of {step} up to {step * length}.", f"{steps}.")]
    if kind == 2:
        after = draw.random() < 0.6
        ask = f"What number comes {'after' if after else 'before'} {last}?"
        value = last + 1 if after else last - 1
        return [(ask, draw.choice([f"{value}.", f"The number {value} comes {'after' if after else 'before'} {last}."]))]
    ask = draw.choice([f"Count from {first} to {last}.", f"Can you count from {first} to {last}?", f"Count to {last}."])
    if ask.startswith("Count to"):
        numbers = ", ".join(map(str, range(1, last + 1)))
    return [(ask, draw.choice([f"{numbers}.", f"Of course: {numbers}.", numbers]))]


def compare(draw: random.Random) -> Pairs:
    """Larger, smaller, even, odd, sorted."""
    first, second = draw.sample(range(1, 100), 2)
    kind = draw.randrange(4)
    if kind == 0:
        large = draw.random() < 0.5
        word = draw.choice(["larger", "bigger", "greater"]) if large else "smaller"
        value = max(first, second) if large else min(first, second)
        return [(f"Which number is {word}, {first} or {second}?", draw.choice([f"{value} is {word}.", f"{value}."]))]
    if kind == 1:
        even = "even" if first % 2 == 0 else "odd"
        return [(f"Is {first} even or odd?", draw.choice([f"{first} is {even}.", f"It is {even}."]))]
    numbers = draw.sample(range(1, 60), draw.randint(3, 5))
    asked = ", ".join(map(str, numbers))
    if kind == 2:
        ordered = ", ".join(map(str, sorted(numbers)))
        ask = draw.choice([f"Sort these numbers: {asked}", f"Put these numbers in order: {asked}"])
        return [(ask, draw.choice([ordered, f"{ordered}.", f"In order: {ordered}."]))]
    largest = draw.random() < 0.5
    word = "largest" if largest else "smallest"
    value = max(numbers) if largest else min(numbers)
    return [(f"Which is the {word} of these numbers: {asked}?", f"The {word} is {value}.")]


def days(draw: random.Random) -> Pairs:
    """Days of the week: before, after, how many, which ones."""
    index, kind = draw.randrange(7), draw.randrange(6)
    day, after, before = DAYS[index], DAYS[(index + 1) % 7], DAYS[index - 1]
    if kind == 0:
        return [(f"What day comes after {day}?", draw.choice([f"{after} comes after {day}.", f"{after}."]))]
    if kind == 1:
        return [(f"What day comes before {day}?", draw.choice([f"{before} comes before {day}.", f"{before}."]))]
    if kind == 2:
        return [
            (f"If today is {day}, what day is tomorrow?", draw.choice([f"Tomorrow is {after}.", f"It is {after}."]))
        ]
    if kind == 3:
        return [(f"If today is {day}, what day was yesterday?", f"Yesterday was {before}.")]
    if kind == 4:
        ask = draw.choice(["How many days are in a week?", "How many days does a week have?"])
        return [(ask, draw.choice(["A week has seven days.", "There are seven days in a week."]))]
    ask = draw.choice(["Name the days of the week.", "What are the days of the week?", "List the days of the week."])
    return [(ask, draw.choice([", ".join(DAYS) + ".", "They are " + ", ".join(DAYS[:-1]) + " and Sunday."]))]


def months(draw: random.Random) -> Pairs:
    """Months, seasons and lengths of time."""
    index, kind = draw.randrange(12), draw.randrange(6)
    month, after, before = MONTHS[index], MONTHS[(index + 1) % 12], MONTHS[index - 1]
    if kind == 0:
        return [(f"What month comes after {month}?", draw.choice([f"{after} comes after {month}.", f"{after}."]))]
    if kind == 1:
        return [(f"What month comes before {month}?", draw.choice([f"{before} comes before {month}.", f"{before}."]))]
    if kind == 2:
        leap = ", or 29 in a leap year" if index == 1 else ""
        return [(f"How many days are in {month}?", f"{month} has {LENGTHS[index]} days{leap}.")]
    if kind == 3:
        ask = draw.choice(["Name the months of the year.", "What are the months?", "List all months."])
        return [
            (ask, draw.choice([", ".join(MONTHS) + ".", "The months are " + ", ".join(MONTHS[:-1]) + " and December."]))
        ]
    ask, answer = draw.choice(
        [
            ("How many months are in a year?", "A year has twelve months."),
            ("How many days are in a year?", "A year has 365 days, a leap year 366."),
            ("How many hours are in a day?", "A day has 24 hours."),
            ("How many minutes are in an hour?", "An hour has 60 minutes."),
            ("How many seconds are in a minute?", "A minute has 60 seconds."),
            ("How many weeks are in a year?", "A year has 52 weeks."),
            ("How many seasons are there?", "There are four seasons: spring, summer, autumn and winter."),
            ("How many centimeters are in a meter?", "A meter has 100 centimeters."),
            ("How many meters are in a kilometer?", "A kilometer has 1000 meters."),
            ("How many eggs are in a dozen?", "A dozen is twelve."),
            ("How many letters are in the alphabet?", "The English alphabet has 26 letters."),
            ("How many years are in a century?", "A century is one hundred years."),
        ]
    )
    return [(ask, answer)]


def chinese_sums(draw: random.Random) -> Pairs:
    """Small sums asked in Chinese."""
    first, second = draw.randint(1, 10), draw.randint(1, 10)
    if draw.random() < 0.5:
        ask = draw.choice(
            [f"{first}加{second}等于多少？", f"{first} + {second} 是多少？", f"{ZH[first]}加{ZH[second]}等于几？"]
        )
        return [(ask, draw.choice([f"{first} + {second} = {first + second}。", f"等于 {first + second}。"]))]
    first, second = max(first, second), min(first, second)
    ask = draw.choice([f"{first}减{second}等于多少？", f"{first} - {second} 是多少？"])
    return [(ask, draw.choice([f"{first} - {second} = {first - second}。", f"等于 {first - second}。"]))]


def chinese_days(draw: random.Random) -> Pairs:
    """The day after and before, in Chinese."""
    names = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"]
    index = draw.randrange(7)
    if draw.random() < 0.5:
        return [(f"{names[index]}后面是星期几？", f"{names[index]}后面是{names[(index + 1) % 7]}。")]
    return [(f"今天是{names[index]}，明天是星期几？", f"明天是{names[(index + 1) % 7]}。")]


SKILLS: dict[Skill, float] = {
    sums: 9,
    too_hard: 1.5,
    word_problems: 4,
    count: 4,
    compare: 3,
    days: 4,
    months: 4,
}
CHINESE: dict[Skill, float] = {chinese_sums: 4, chinese_days: 2}
