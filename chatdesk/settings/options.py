"""Every option, declared once: type, default, bounds, title and help. Panels and checks are made from these.

Two families: `CHAT` belongs to a conversation and is kept with it in the database (a value that is absent means "as
the checkpoint says"); `APPLICATION` belongs to the person and is kept in the settings file.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from chatdesk.errors import QT_TRANSLATE_NOOP, Fault, UserError


@dataclass(frozen=True)
class Option:
    """One option. ``neutral``: the value that does nothing ("Off"); ``low`` and ``high`` are inclusive.

    ``title`` and ``help`` are English and translated where they are shown (context ``options``).
    ``slider_high``: where a slider ends when the bound itself is far out. ``one_line``: a text that has no second one.
    """

    name: str
    kind: type
    default: Any
    title: str
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    neutral: float | None = None
    slider_high: float | None = None
    choices: tuple[str, ...] = ()
    one_line: bool = False

    def check(self, value: Any) -> Any:
        """Return ``value`` in the option's type; raise `UserError` (bad value) when it is out of bounds."""
        if value is None and self.default is None:
            return None
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            with suppress(OverflowError):
                value = float(value)
        fits = isinstance(value, self.kind) and (self.kind is bool or not isinstance(value, bool))
        if fits and self.choices:
            fits = value in self.choices
        if fits and self.kind is tuple:
            fits = all(isinstance(each, str) for each in value)
        if fits and self.low is not None:
            fits = self.low <= value <= (self.high if self.high is not None else value)
        if not fits:
            shown = str(value) if isinstance(value, int | float) else repr(value)
            raise UserError(Fault.BAD_VALUE, name=self.name, value=shown, allowed=self.allowed())
        return value

    def allowed(self) -> str:
        """What values are allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is not None and self.high is not None:
            return f"{'a whole number' if self.kind is int else 'a number'} from {self.low:.9g} to {self.high:.9g}"
        return {bool: "true or false", str: "a text", int: "a whole number", tuple: "a list of texts"}.get(
            self.kind, "a number"
        )


CHAT: dict[str, Option] = {
    option.name: option
    for option in (
        Option(
            "temperature", float, 0.7,
            QT_TRANSLATE_NOOP("options", "Temperature"),
            QT_TRANSLATE_NOOP("options", "Higher is more surprising; 0 always takes the likeliest word."),
            low=0.0, high=10.0, step=0.05, slider_high=2.0,
        ),
        Option(
            "max_new_tokens", int, 512,
            QT_TRANSLATE_NOOP("options", "Length"),
            QT_TRANSLATE_NOOP("options", "Most new tokens in one reply."),
            low=1, high=1_000_000, step=16, slider_high=4096,
        ),
        Option(
            "top_p", float, 0.95,
            QT_TRANSLATE_NOOP("options", "Top-p"),
            QT_TRANSLATE_NOOP("options", "Only the likeliest words that make up this share."),
            low=0.01, high=1.0, step=0.01, neutral=1.0,
        ),
        Option(
            "top_k", int, 0,
            QT_TRANSLATE_NOOP("options", "Top-k"),
            QT_TRANSLATE_NOOP("options", "Only this many likeliest words."),
            low=0, high=1_000_000, step=1, neutral=0, slider_high=200,
        ),
        Option(
            "min_p", float, 0.05,
            QT_TRANSLATE_NOOP("options", "Min-p"),
            QT_TRANSLATE_NOOP("options", "Only words at least this likely, next to the likeliest."),
            low=0.0, high=1.0, step=0.01, neutral=0.0,
        ),
        Option(
            "repetition_penalty", float, 1.1,
            QT_TRANSLATE_NOOP("options", "Repetition"),
            QT_TRANSLATE_NOOP("options", "Above 1 repeats less."),
            low=0.1, high=10.0, step=0.01, neutral=1.0, slider_high=2.0,
        ),
        Option(
            "seed", int, None,
            QT_TRANSLATE_NOOP("options", "Seed"),
            QT_TRANSLATE_NOOP("options", "The same seed gives the same reply. Empty is random."),
            low=0, high=2**63 - 65,  # 64 drafts sample with seed + 0 ... 63, which must still fit into 63 bits
        ),
        Option(
            "drafts", int, 1,
            QT_TRANSLATE_NOOP("options", "Drafts"),
            QT_TRANSLATE_NOOP("options", "Replies written side by side, to choose from."),
            low=1, high=8, step=1,
        ),
        Option(
            "overflow", str, "drop",
            QT_TRANSLATE_NOOP("options", "When the context is full"),
            QT_TRANSLATE_NOOP("options", "Pinned messages are never left out."),
            choices=("drop", "ask"),
        ),
        Option(
            "system_prompt", str, "",
            QT_TRANSLATE_NOOP("options", "System prompt"),
            QT_TRANSLATE_NOOP("options", "What the model is told before the conversation."),
        ),
        Option(
            "stop", str, "",
            QT_TRANSLATE_NOOP("options", "Stop at"),
            QT_TRANSLATE_NOOP("options", "Texts that end a reply, one a line; \\n is a line's end."),
        ),
    )
}  # fmt: skip

WRITING: dict[str, Option] = {
    option.name: option
    for option in (
        replace(CHAT["temperature"]),
        replace(
            CHAT["max_new_tokens"],
            default=60,
            help=QT_TRANSLATE_NOOP("options", "Most new tokens at once."),
            slider_high=1024,
        ),
        replace(
            CHAT["drafts"],
            default=5,
            title=QT_TRANSLATE_NOOP("options", "Alternatives"),
            help=QT_TRANSLATE_NOOP("options", "How many continuations stand beside the text, to choose from."),
            high=16,
        ),
        replace(CHAT["top_p"]),
        replace(CHAT["top_k"]),
        replace(CHAT["min_p"]),
        replace(CHAT["repetition_penalty"]),
        replace(
            CHAT["seed"],
            help=QT_TRANSLATE_NOOP("options", "The same seed gives the same words. Empty is random."),
        ),
        Option(
            "memory", str, "",
            QT_TRANSLATE_NOOP("options", "Memory"),
            QT_TRANSLATE_NOOP("options", "Stands before everything and is never left out."),
        ),
        Option(
            "world", str, "",
            QT_TRANSLATE_NOOP("options", "World"),
            QT_TRANSLATE_NOOP("options", "Told when a name is near the cursor, one a line: Ada, keeper: She is old."),
        ),
        Option(
            "note", str, "",
            QT_TRANSLATE_NOOP("options", "Author's note"),
            QT_TRANSLATE_NOOP("options", "Stands near the end, where it counts most."),
        ),
        Option(
            "note_depth", int, 3,
            QT_TRANSLATE_NOOP("options", "Depth of the note"),
            QT_TRANSLATE_NOOP("options", "How many paragraphs from the end it stands."),
            low=1, high=20, step=1,
        ),
        Option(
            "stop", str, "",
            QT_TRANSLATE_NOOP("options", "Stop at"),
            QT_TRANSLATE_NOOP("options", "Texts that end the writing, one a line."),
        ),
        Option(
            "banned", str, "",
            QT_TRANSLATE_NOOP("options", "Banned words"),
            QT_TRANSLATE_NOOP("options", "Words that are never written, one a line."),
        ),
        Option(
            "bias", str, "",
            QT_TRANSLATE_NOOP("options", "Likelier or rarer words"),
            QT_TRANSLATE_NOOP("options", "One a line with a number from -100 to 100: river = 2.5"),
        ),
    )
}  # fmt: skip
"""What belongs to a document of the writing desk and is kept with it."""

SAMPLING: dict[str, Option] = CHAT | {"max_length": replace(CHAT["max_new_tokens"], name="max_length")}
"""`CHAT` and what only a request of the command line may say besides."""

APPLICATION: dict[str, Option] = {
    option.name: option
    for option in (
        Option(
            "language", str, "system",
            QT_TRANSLATE_NOOP("options", "Language"),
            QT_TRANSLATE_NOOP("options", "The language of the window."),
            choices=("system", "en", "zh_CN"),
        ),
        Option(
            "theme", str, "system",
            QT_TRANSLATE_NOOP("options", "Appearance"),
            QT_TRANSLATE_NOOP("options", "Light, dark, or as the system says."),
            choices=("system", "light", "dark"),
        ),
        Option(
            "enter_sends", bool, True,
            QT_TRANSLATE_NOOP("options", "Enter sends"),
            QT_TRANSLATE_NOOP("options", "Off: Enter makes a new line and Ctrl+Enter sends."),
        ),
        Option(
            "text_size", int, 100,
            QT_TRANSLATE_NOOP("options", "Text size"),
            QT_TRANSLATE_NOOP("options", "In percent. Ctrl + and Ctrl − change it anywhere."),
            low=70, high=200, step=10,
        ),
        Option(
            "unload_after", int, 0,
            QT_TRANSLATE_NOOP("options", "Unload the model after"),
            QT_TRANSLATE_NOOP("options", "Minutes without use; the next message loads it again."),
            low=0, high=240, step=5, neutral=0,
        ),
        Option(
            "branch_memory", int, 1024,
            QT_TRANSLATE_NOOP("options", "Memory for earlier branches"),
            QT_TRANSLATE_NOOP("options", "In megabytes. A branch you come back to need not be read again."),
            low=0, high=65536, step=256, neutral=0, slider_high=8192,
        ),
        Option(
            "guesses", bool, True,
            QT_TRANSLATE_NOOP("options", "Guess ahead"),
            QT_TRANSLATE_NOOP("options", "What was said before is read several words at once. Replies stay the same."),
        ),
        Option(
            "offline", bool, False,
            QT_TRANSLATE_NOOP("options", "Offline"),
            QT_TRANSLATE_NOOP("options", "On: no connection is ever made, not even to search for models."),
        ),
        Option(
            "hub", str, "",
            QT_TRANSLATE_NOOP("options", "Model hub"),
            QT_TRANSLATE_NOOP("options", "Address of a mirror. Empty: HF_ENDPOINT, else https://huggingface.co."),
            one_line=True,
        ),
        Option("downloads", tuple, (), "", ""),  # "name@revision" of those that are not finished
        Option("show_list", bool, True, "", ""),
        Option("show_panel", bool, True, "", ""),
        Option("geometry", str, "", "", ""),
        Option("conversation", str, "", "", ""),
        Option("model", str, "", "", ""),
        Option("folders", tuple, (), "", ""),
        Option("uses", tuple, (), "", ""),  # "seconds path" of checkpoints, see library.catalogue
        Option("dialogues", tuple, (), "", ""),  # "name=folder": how messages are written for a checkpoint
        Option("adapters", tuple, (), "", ""),  # of checkpoints, see tasks.adapters
        Option("draft_models", tuple, (), "", ""),  # of checkpoints, see tasks.draft_models
        Option("keys", tuple, (), "", ""),  # "action=key", the person's own
        Option("closed_folders", tuple, (), "", ""),  # of the list of conversations
        Option("document", str, "", "", ""),  # open on the writing desk
        Option("show_documents", bool, True, "", ""),
        Option("show_guidance", bool, True, "", ""),
        Option("tint", bool, True, "", ""),  # of what a model wrote
        Option("writing_notice", bool, False, "", ""),  # whether it was read
    )
}  # fmt: skip


def usable_chat(stored: dict[str, Any]) -> dict[str, Any]:
    """What can be used of a conversation's stored settings: an imported or older one may hold anything."""
    return _usable(stored, CHAT)


def usable_writing(stored: dict[str, Any]) -> dict[str, Any]:
    """The same of a document's."""
    return _usable(stored, WRITING)


def _usable(stored: dict[str, Any], options: dict[str, Option]) -> dict[str, Any]:
    found = {}
    for name, value in stored.items():
        if name in options:
            with suppress(UserError):
                found[name] = options[name].check(value)
    return found
