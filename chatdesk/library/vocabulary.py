"""The tokens of a checkpoint as its tokenizer.json lists them, without making a tokenizer of it.

Not here: what may be read at all (`chatdesk.library.safety`), and tokenizers in other files.
"""

from pathlib import Path

import msgspec


class _Added(msgspec.Struct):
    id: int
    content: str


class _Model(msgspec.Struct):
    vocab: dict[str, int] | list[tuple[str, float]]


class _File(msgspec.Struct):
    model: _Model
    added_tokens: list[_Added] = []


def read(folder: Path) -> dict[str, int]:
    """Every token with its id; empty where no tokenizer.json says so."""
    try:
        file = msgspec.json.decode((folder / "tokenizer.json").read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    listed = file.model.vocab
    found = listed if isinstance(listed, dict) else {token: place for place, (token, _) in enumerate(listed)}
    return found | {token.content: token.id for token in file.added_tokens}
