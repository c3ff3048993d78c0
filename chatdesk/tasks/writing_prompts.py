"""The prompts of the writing desk: what is asked of a selection, and templates of whole texts.

They come with the program (``resources/prompts``) and can be changed: the changed words are kept in ``prompts.toml`` of
the profile. A model with a chat template is told what to do; a base model is shown examples and goes on with them.
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from chatdesk.engine.api import ChatMessage
from chatdesk.settings.toml_file import TomlFile

Kind: TypeAlias = Literal["selection", "template"]
_END = "\n###\n"
"""What ends a text in the examples for a base model."""


@dataclass(frozen=True)
class Example:
    """A text and what becomes of it."""

    old: str
    new: str


@dataclass(frozen=True)
class WritingPrompt:
    """``instruction``: what a chat model is told; ``beginning``: what a base model goes on with (templates).

    Both may hold ``{field}`` for each of ``fields`` (name and title). ``examples``: for a base model (selections).
    """

    key: str
    kind: Kind
    name: str
    instruction: str
    beginning: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    examples: tuple[Example, ...] = ()


class WritingPrompts:
    """All prompts in one language. ``folder``: the supplied ones; ``path``: the person's changes.

    Attributes: ``complaints``, what was wrong with the file of changes.
    """

    def __init__(self, folder: Path, path: Path, language: str = "en") -> None:
        self._file, self._language = TomlFile(path), language
        self._supplied = {prompt.key: prompt for prompt in _supplied(folder, language)}
        self._changes, self.complaints = self._file.read()

    def all(self, kind: Kind) -> list[WritingPrompt]:
        """The prompts of a kind, in the order of a menu, with the person's changes."""
        return [self[key] for key, prompt in self._supplied.items() if prompt.kind == kind]

    def __getitem__(self, key: str) -> WritingPrompt:
        supplied, changed = self._supplied[key], self._own().get(key)
        if not isinstance(changed, dict):
            return supplied
        instruction, beginning = (str(changed.get(name, "")) for name in ("instruction", "beginning"))
        return replace(
            supplied,
            instruction=instruction if instruction.strip() else supplied.instruction,
            beginning=beginning if beginning.strip() else supplied.beginning,
        )

    def is_changed(self, key: str) -> bool:
        """Whether the person has other words for it."""
        return self[key] != self._supplied[key]

    def change(self, key: str, instruction: str, beginning: str) -> None:
        """Use other words from now on; empty ones are the supplied again. Raises `UserError` for a full disk."""
        own = {**self._own(), key: {"instruction": instruction, "beginning": beginning}}
        if not (instruction.strip() or beginning.strip()):
            del own[key]
        changes = {**self._changes, self._language: own}
        self._file.replace(changes)
        self._changes = changes

    def _own(self) -> dict[str, Any]:
        own = self._changes.get(self._language)
        return own if isinstance(own, dict) else {}


def for_selection(prompt: WritingPrompt, text: str, is_chat: bool) -> tuple[str | tuple[ChatMessage, ...], str]:
    """What is sent to have a selection worked on, and the text that ends the answer of a base model."""
    if is_chat:
        return (ChatMessage("user", f"{prompt.instruction.strip()}\n\n{text.strip()}"),), ""
    shown = "".join(f"Text: {each.old}{_END}{prompt.name}: {each.new}{_END}" for each in prompt.examples)
    task = "" if prompt.examples else f"{prompt.instruction.strip()}\n\n"
    return f"{task}{shown}Text: {text.strip()}{_END}{prompt.name}:", _END


def for_template(
    prompt: WritingPrompt, values: dict[str, str], is_chat: bool
) -> tuple[str | tuple[ChatMessage, ...], str]:
    """What is sent to have a text begun, and the words that the text itself begins with (a base model goes on)."""
    filled = {name: values.get(name, "").strip() for name, _ in prompt.fields}
    if is_chat:
        return (ChatMessage("user", fill(prompt.instruction, filled).strip()),), ""
    beginning = fill(prompt.beginning, filled).lstrip()
    return beginning, beginning


def fill(text: str, values: dict[str, str]) -> str:
    """The text with the values in place of ``{name}``; a line whose fields are all empty goes."""
    kept = []
    for line in text.split("\n"):
        named = [name for name in values if f"{{{name}}}" in line]
        if named and not any(values[name] for name in named):
            continue
        for name in named:
            line = line.replace(f"{{{name}}}", values[name])
        kept.append(line)
    return "\n".join(kept)


def _supplied(folder: Path, language: str) -> list[WritingPrompt]:
    found = []
    kinds: tuple[Kind, ...] = ("selection", "template")
    for kind in kinds:
        for entry in tomllib.loads((folder / f"{kind}.toml").read_text("utf-8"))["prompt"]:
            found.append(_prompt(kind, entry, language))
    return found


def _prompt(kind: Kind, entry: dict[str, Any], language: str) -> WritingPrompt:
    def said(words: Any) -> str:
        return str(words.get(language, words["en"])) if isinstance(words, dict) else str(words or "")

    return WritingPrompt(
        entry["key"],
        kind,
        said(entry["name"]),
        said(entry["instruction"]),
        said(entry.get("beginning")),
        tuple((field["name"], said(field["title"])) for field in entry.get("field", ())),
        tuple(Example(said(each["old"]), said(each["new"])) for each in entry.get("example", ())),
    )
