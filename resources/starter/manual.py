"""Exchanges about the settings and keys of chatdesk, made from the program's own texts as they are now."""

import random
import re
import tomllib
from pathlib import Path

from counting import Pairs, Skill

from chatdesk.settings.options import APPLICATION, CHAT, Option

FOLDER = Path(__file__).parent
MORE: dict[str, list[str]] = tomllib.loads((FOLDER / "about.toml").read_text(encoding="utf-8"))["more"]
NAMES = {
    "max_new_tokens": ["length", "length setting", "max new tokens"],
    "repetition_penalty": ["repetition penalty", "repetition", "repetition setting"],
    "top_p": ["top-p", "top p", "top_p"],
    "top_k": ["top-k", "top k", "top_k"],
    "min_p": ["min-p", "min p", "min_p"],
    "overflow": ["setting When the context is full"],
    "drafts": ["drafts setting", "number of drafts"],
    "stop": ["setting Stop at", "stop setting"],
}
_SHORTCUT = re.compile(r'Shortcut\(\("([^"]+)",.*?QT_TRANSLATE_NOOP\("shortcuts", "([^"]+)"\)')


def _shortcuts() -> list[tuple[str, str]]:
    """Keys and titles, read from the text of the table, as importing it would need Qt."""
    source = (Path(__file__).parents[2] / "chatdesk" / "ui" / "shortcuts.py").read_text(encoding="utf-8")
    return [(key, title.rstrip("…")) for key, title in _SHORTCUT.findall(source)]


SHORTCUTS = _shortcuts()


def setting(draw: random.Random) -> Pairs:
    """What a setting of a conversation does, where it is, and what values it takes."""
    option = draw.choice(list(CHAT.values()))
    title = option.title
    name = draw.choice(NAMES.get(option.name, [title.lower()]))
    place = draw.choice(
        ["It is in the settings panel on the right.", "You find it in the settings panel on the right."]
    )
    more = draw.choice(MORE[option.name])
    kind = draw.random()
    if kind < 0.55:
        article = "" if name[:3] in {"top", "min", "max"} or name == "drafts" else "the "
        ask = draw.choice(
            [
                f"What does {article}{name} do?",
                f"What is {article}{name}?",
                f"Explain {article}{name}.",
                f"What does {article}{name} mean?",
                f"Tell me about {article}{name}.",
                f"What is {article}{name} for?",
                f"How does {article}{name} work?",
                f"Can you explain {article}{name} to me?",
                f"I do not understand {article}{name}.",
                f"{name}?",
            ]
        )
        pairs = [
            (
                ask,
                draw.choice(
                    [
                        f"{option.help} {more}",
                        f"{option.help} {place}",
                        f"{title}: {option.help[0].lower()}{option.help[1:]} {more}",
                        more,
                    ]
                ),
            )
        ]
        if draw.random() < 0.35:
            pairs.append(
                (
                    draw.choice(
                        ["Where is it?", "Where do I find it?", "How do I change it?", "Where can I set that?"]
                    ),
                    place,
                )
            )
        elif draw.random() < 0.4:
            pairs.append(_value(option, "it", draw))
        return pairs
    if kind < 0.75:
        ask = draw.choice(
            [
                f"Where is the {name}?",
                f"How do I change the {name}?",
                f"Where do I set the {name}?",
                f"How can I set the {name}?",
            ]
        )
        return [(ask, f"The {name} is in the settings panel on the right. {draw.choice([option.help, more])}")]
    return [_value(option, f"the {name}", draw)]


def _value(option: Option, name: str, draw: random.Random) -> tuple[str, str]:
    """A question on the default, the bounds, or how to turn it off."""
    own = "It" if name == "it" else name[0].upper() + name[1:]
    if option.neutral is not None and draw.random() < 0.5:
        return draw.choice(
            [f"How do I turn {name} off?", f"Can I turn {name} off?"]
        ), f"Set {name} to {option.neutral:g}. Then it does nothing."
    if option.low is not None and option.high is not None and option.high < 1000 and draw.random() < 0.5:
        return draw.choice(
            [f"Which values can {name} have?", f"How high can {name} be?"]
        ), f"{own} can be {option.allowed()}."
    default = {
        "seed": "empty, which means random",
        "system_prompt": "empty",
        "stop": "empty",
        "overflow": "to leave the oldest messages out",
    }.get(option.name, f"{option.default}")
    return draw.choice(
        [f"What is the default of {name}?", f"What is the normal value of {name}?"]
    ), f"The default is {default}, unless the model says otherwise."


def application(draw: random.Random) -> Pairs:
    """The settings of the whole program."""
    option = draw.choice([option for option in APPLICATION.values() if option.title])
    ask = draw.choice(
        [
            f'What does "{option.title}" do?',
            f"What is the setting {option.title}?",
            f"How do I change the {option.title.lower()}?",
            f"Where is the setting {option.title}?",
        ]
    )
    place = draw.choice(["Press Ctrl+, for the settings.", "It is in the settings, which Ctrl+, opens."])
    return [(ask, f"{option.help} {place}")]


def key(draw: random.Random) -> Pairs:
    """Which key does what."""
    keys, title = draw.choice(SHORTCUTS)
    action = title[0].lower() + title[1:]
    if draw.random() < 0.6:
        ask = draw.choice(
            [
                f"Which key is for: {action}?",
                f"What is the shortcut for {action}?",
                f"Which shortcut: {action}?",
                f"What do I press to {action}?",
                f"Is there a key to {action}?",
            ]
        )
        return [(ask, draw.choice([f"Press {keys}.", f"The key is {keys}.", f"{keys}: {title}."]))]
    return [
        (
            draw.choice([f"What does {keys} do?", f"What happens when I press {keys}?", f"{keys}?"]),
            draw.choice([f"{keys}: {title}.", f"It stands for: {title}."]),
        )
    ]


SKILLS: dict[Skill, float] = {setting: 9, application: 2, key: 4}
