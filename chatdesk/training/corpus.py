"""Text files in, token arrays out.

Read are JSON lines (``.jsonl``: prose ``{"text"}``, dialogues ``{"turns": [{"speaker", "text"}]}``, pairs
``{"question", "answer"}``, and what others call these, see `_Line`) and plain text (``.txt``, ``.md``: one document),
each also packed as ``.xz``.

A source is tokenised once into a folder: ``tokens.bin`` (uint16, or uint32 for a large vocabulary),
``replies.bin`` (uint8, 1 where the token counts under ``loss = "replies"``) and ``starts.npy`` (the first token of each
document). They are memory-mapped, so a corpus may be larger than memory. No more documents are tokenised than the run
will see; which ones is a pure function of (seed, line), and a small budget still samples the whole file.
"""

import codecs
import functools
import json
import lzma
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct

from chatdesk.errors import Fault, UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Role: TypeAlias = Literal["system", "user", "assistant"]
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ROLES: dict[str, Role] = {
    "a": "user", "user": "user", "human": "user",
    "b": "assistant", "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
    "system": "system",
}  # fmt: skip
END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|end|>"
ROLE_TOKENS: dict[Role, str] = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL_TOKENS = (END_OF_TEXT, *ROLE_TOKENS.values(), END_OF_TURN)

# English has about 4 bytes a token in a vocabulary of 8,000; a little more is read than will be seen
_BYTES_PER_TOKEN = 4.5
_GROUP = 256  # documents tokenised in one call: enough for all threads, little in memory


class Turn(Struct, frozen=True):
    """What one side said."""

    role: Role
    text: str


Document: TypeAlias = str | tuple[Turn, ...]


PAIRS = (
    ("question", "answer"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "output"),
)
"""What a question and its answer are called."""

_BESIDE = ("input", "context")  # what an instruction is about


class _SpokenLine(Struct):
    """``role`` and ``content`` as of chat APIs, ``from`` and ``value`` as of ShareGPT; the first that is there."""

    speaker: str | None = None
    text: str | None = None
    role: str | None = None
    content: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    value: str | None = None


class _Line(Struct):
    """One JSON line of any kind: ``text``, turns under one of three names, or else one of `PAIRS`; other keys (titles,
    topics) are let be.
    """

    text: str | None = None
    turns: list[_SpokenLine] | None = None
    messages: list[_SpokenLine] | None = None
    conversations: list[_SpokenLine] | None = None


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a file, in order. Raises ``FILE_NOT_FOUND`` or ``BROKEN_TEXT`` with the line."""
    kind = Path(path.name.removesuffix(".xz")).suffix
    if kind not in {".jsonl", ".txt", ".md"}:
        raise UserError(Fault.BROKEN_TEXT, path=path, reason="it is none of .jsonl, .txt and .md, with or without .xz")
    with _open(path) as file:
        if kind != ".jsonl":
            yield _decode(file.read(), path)
            return
        for number, line in enumerate(file, 1):
            if line.strip():
                yield parse_line(line, path, f"line {number}")


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked; trouble while it is read becomes a user error."""
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(Fault.FILE_NOT_FOUND, path=path) from None
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise UserError(Fault.BROKEN_TEXT, path=path, reason=error) from None


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(Fault.BROKEN_TEXT, path=path, reason=f"it is not UTF-8 (byte {error.start})") from None


def parse_line(line: bytes, path: Path, place: str) -> Document:
    """A JSON object of a file. ``place``: where it stands, for the reader. Raises ``BROKEN_TEXT``."""
    line = line.removeprefix(codecs.BOM_UTF8)
    try:
        read = msgspec.json.decode(line, type=_Line)
        if read.text is not None:
            return read.text
        if turns := read.turns or read.messages or read.conversations:
            return tuple(map(_turn, turns))
        if (pair := exchange(msgspec.json.decode(line))) is not None:
            return pair
        reason = f"{place} has no text, no turns and no question with an answer"
    except (msgspec.MsgspecError, ValueError) as error:
        reason = f"{place}: {error}"
    raise UserError(Fault.BROKEN_TEXT, path=path, reason=reason)


def _turn(said: _SpokenLine) -> Turn:
    """Raises `ValueError`."""
    speaker = next((name for name in (said.speaker, said.role, said.sender) if name is not None), "")
    text = next((each for each in (said.text, said.content, said.value) if each is not None), None)
    if speaker not in ROLES:
        raise ValueError(f'speaker "{speaker}" is none of {", ".join(ROLES)}')
    if text is None:
        raise ValueError(f'the speaker "{speaker}" says nothing')
    return Turn(ROLES[speaker], text)


def exchange(row: Mapping[str, Any]) -> Document | None:
    """The first of `PAIRS` that a row has in words; behind an instruction what it is about."""
    for asked, said in PAIRS:
        question, answer = row.get(asked), row.get(said)
        if isinstance(question, str) and isinstance(answer, str):
            about = [row[name] for name in _BESIDE if asked == "instruction" and isinstance(row.get(name), str)]
            question = "\n\n".join(filter(None, (question, *about)))
            return (Turn("user", question), Turn("assistant", answer))
    return None


def size_bytes(document: Document) -> int:
    """UTF-8 bytes of what was written or said; marks between turns are not counted."""
    texts = (document,) if isinstance(document, str) else (turn.text for turn in document)
    return sum(len(text.encode()) for text in texts)


@functools.cache
def text_bytes(path: Path) -> int:
    """`size_bytes` of all documents of a file, read once. Raises ``NO_TEXT`` when there is none."""
    total = sum(map(size_bytes, read_documents(path)))
    if not total:
        raise UserError(Fault.NO_TEXT, path=path)
    return total


def sample_documents(path: Path, wanted_bytes: float, seed: int) -> Iterator[Document]:
    """About ``wanted_bytes`` of a file, documents drawn evenly from all of it, in the file's order; at least one."""
    share = wanted_bytes / text_bytes(path)
    draw = random.Random(f"{seed} {path.name}")
    drawn = (document for document in read_documents(path) if draw.random() < share)
    first = next(drawn, None)
    return chain([first], drawn) if first is not None else islice(read_documents(path), 1)


def encode_documents(documents: Iterable[Document], tokenizer: "Tokenizer") -> Iterator[tuple[list[int], list[int]]]:
    """Token ids and reply marks (1 or 0) of each document.

    Prose ends with end-of-text and counts whole. A dialogue is, for each turn, the role's token, the text and
    end-of-turn, then end-of-text; the assistant's text and its end-of-turn count as reply. Special tokens written out
    in a text stay plain text.
    """
    special = {token: token_id(tokenizer, token) for token in SPECIAL_TOKENS}
    plain = tokenizer.encode_special_tokens
    tokenizer.encode_special_tokens = True
    remaining = iter(documents)
    try:
        while group := list(islice(remaining, _GROUP)):
            texts = [text for document in group for text in _texts(document)]
            encoded = iter(tokenizer.encode_batch_fast(texts, add_special_tokens=False))
            for document in group:
                yield _assemble(document, [next(encoded).ids for _ in _texts(document)], special)
    finally:
        tokenizer.encode_special_tokens = plain


def encode_prompt(document: Document, tokenizer: "Tokenizer") -> list[int]:
    """Token ids of the beginning of a document that a model is to go on with: a text, or turns before a reply."""
    is_text = isinstance(document, str)
    ids, _ = next(encode_documents([document if is_text else (*document, Turn("assistant", ""))], tokenizer))
    return ids[:-1] if is_text else ids[:-2]  # without end-of-turn and end-of-text


def token_id(tokenizer: "Tokenizer", token: str) -> int:
    """The id of a special token, which every tokenizer of a run has."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise LookupError(f"the tokenizer lacks {token}")
    return found


def _texts(document: Document) -> list[str]:
    return [document] if isinstance(document, str) else [turn.text for turn in document]


def _assemble(document: Document, pieces: list[list[int]], special: dict[str, int]) -> tuple[list[int], list[int]]:
    if isinstance(document, str):
        ids = [*pieces[0], special[END_OF_TEXT]]
        return ids, [1] * len(ids)
    ids, marks = [], []
    for turn, piece in zip(document, pieces, strict=True):
        ids += [special[ROLE_TOKENS[turn.role]], *piece, special[END_OF_TURN]]
        marks += [0] + [int(turn.role == "assistant")] * (len(piece) + 1)
    return [*ids, special[END_OF_TEXT]], [*marks, 0]


class TokenArrays:
    """A tokenised source, memory-mapped.

    Attributes: ``tokens``, shape (tokens,); ``replies``, the same shape; ``starts``, shape (documents,), int64;
    ``is_dialogue``, whether every document is one.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `OSError` and `ValueError` where the files are not what was written."""
        about = json.loads((folder / "about.json").read_text())
        self.tokens: Array = np.memmap(folder / "tokens.bin", dtype=about["dtype"], mode="r")
        self.replies: Array = np.memmap(folder / "replies.bin", dtype=np.uint8, mode="r")
        try:
            self.starts: Array = np.load(folder / "starts.npy")
        except EOFError as error:
            raise ValueError(str(error)) from None
        self.is_dialogue: bool = about["dialogue"]
        if len(self.tokens) != len(self.replies) or not 0 < len(self.starts) <= len(self.tokens):
            raise ValueError("its parts do not belong together")

    def __len__(self) -> int:
        return len(self.tokens)


def kept_arrays(folder: Path) -> TokenArrays | None:
    """The arrays in ``folder``; None where there are none, or damaged ones, which are to be made again."""
    try:
        return TokenArrays(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


Encode: TypeAlias = Callable[[Iterable[Document], "Tokenizer"], Iterator[tuple[list[int], list[int]]]]
"""As `encode_documents`."""


def tokenise(
    documents: Iterable[Document], tokenizer: "Tokenizer", folder: Path, encode: Encode = encode_documents
) -> TokenArrays:
    """Write the arrays of a source into ``folder`` (whole or not at all) and map them. Raises ``NO_TEXT``."""
    if (kept := kept_arrays(folder)) is not None:
        return kept
    half = folder.with_name(folder.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        _write_arrays(half, documents, tokenizer, encode)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(half, folder)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)  # a full disk needs the room
        raise
    return TokenArrays(folder)


def _write_arrays(half: Path, documents: Iterable[Document], tokenizer: "Tokenizer", encode: Encode) -> None:
    dtype = np.uint16 if tokenizer.get_vocab_size() <= 1 << 16 else np.uint32
    starts, position = [], 0
    listening = _Listener(documents)
    with (half / "tokens.bin").open("wb") as tokens, (half / "replies.bin").open("wb") as replies:
        for ids, marks in encode(listening, tokenizer):
            starts.append(position)
            position += len(ids)
            tokens.write(np.asarray(ids, dtype).tobytes())
            replies.write(np.asarray(marks, np.uint8).tobytes())
    if not position:
        raise UserError(Fault.NO_TEXT, path=half.stem)
    np.save(half / "starts.npy", np.asarray(starts, np.int64))
    about = {"dtype": np.dtype(dtype).name, "dialogue": listening.all_dialogue}
    (half / "about.json").write_text(json.dumps(about))
    for file in half.iterdir():  # before the folder has its name: a power cut leaves no empty file under it
        with file.open("rb+") as written:
            os.fsync(written.fileno())


class _Listener:
    """Passes documents on and notes whether all of them were dialogues."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self.all_dialogue = True

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            self.all_dialogue = self.all_dialogue and not isinstance(document, str)
            yield document


def wanted_bytes(tokens: float) -> float:
    """Bytes of text that give about ``tokens`` tokens (an estimate: a source too small is repeated)."""
    return tokens * _BYTES_PER_TOKEN
