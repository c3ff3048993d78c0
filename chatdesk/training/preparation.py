"""Preparing a text: files in, cleaned documents out, with a report of every step.

A preparation is a folder: ``train.jsonl`` and ``held-out.jsonl``, which a recipe names as its sources,
``tokenizer.json`` where one was trained, and ``report.json``. Its name ends in a hash of the files' bytes and of all
that was asked for, so the same preparation is found again and not done twice. It is made whole or not at all.

Which documents are held out follows from a hash of their words: another run, or more files, holds out the same ones.
Where that holds none out, as of a single book, parts of the long texts are held out instead.
"""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.library.headers import shown
from chatdesk.training import readers
from chatdesk.training.cleaning import LANGUAGES, STEPS, USUAL, Cleaner, Count, texts
from chatdesk.training.corpus import Document, size_bytes

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST_BYTES = 1000
"""Less text than this is refused: nothing can be learned from it."""

_VERSION = 3
_HALF = ".part"
_LONGEST_REMARK = 1000  # letters
_PARTS = ("train", "held-out")
_LEAST_PART, _LEAST_PIECES, _MOST_PIECES = 4000, 10, 500  # characters of a piece; of a text that is cut
_END = re.compile(r"\n|(?<=[.!?。！？]) ?")  # of a line, of a sentence
_RARE = 5
_LEAST_VOCABULARY = 261  # the bytes and the special tokens
_SHOWN_WORDS = 12
Tell = Callable[[str, int, int], None]
"""Told the name of a stage, how many files are done, and of how many."""


class Wishes(Struct, frozen=True):
    """What to do. ``held_out``: share of the documents; ``vocabulary``: size of a tokenizer to train, 0 for none.

    ``tokenizer``: folder of a checkpoint whose tokenizer is to be measured instead.
    """

    steps: tuple[str, ...] = USUAL
    languages: tuple[str, ...] = ()
    held_out: float = 0.01
    vocabulary: int = 0
    tokenizer: str = ""

    def check(self) -> None:
        """Raises BAD_VALUE."""
        wrong = next((step for step in self.steps if step not in STEPS), None)
        other = next((each for each in self.languages if each not in LANGUAGES), None)
        if wrong is not None:
            raise UserError(Fault.BAD_VALUE, name="the step", value=wrong, allowed="one of " + ", ".join(STEPS))
        if other is not None:
            allowed = "one of " + ", ".join(LANGUAGES)
            raise UserError(Fault.BAD_VALUE, name="the language", value=other, allowed=allowed)
        if not 0 <= self.held_out <= 0.5:
            raise UserError(Fault.BAD_VALUE, name="the share held out", value=self.held_out, allowed="from 0 to 0.5")
        if self.vocabulary and not _LEAST_VOCABULARY <= self.vocabulary <= 1_000_000:
            allowed = f"from {_LEAST_VOCABULARY} to 1000000"
            raise UserError(Fault.BAD_VALUE, name="the vocabulary", value=self.vocabulary, allowed=allowed)


class Words(Struct, frozen=True):
    """How a tokenizer cuts the text. ``bytes_per_token``: of the held-out documents, else of all; ``rare``: words that
    occur `_RARE` times at least and take the most tokens each; ``unused``: tokens that the text does not use.
    """

    vocabulary: int
    bytes_per_token: float
    tokens: int
    unused: int
    rare: tuple[str, ...]


class Report(Struct, frozen=True):
    """What a preparation has done. ``skipped``: files of a folder that could not be read, or only in part, and why.
    ``long_share``: as of `tokenizer.long_share`. ``is_cut``: parts of texts are held out, and no whole ones.
    """

    files: int
    documents: int
    read_bytes: int
    steps: tuple[Count, ...]
    train_documents: int
    train_bytes: int
    held_out_documents: int
    held_out_bytes: int
    skipped: tuple[str, ...] = ()
    words: Words | None = None
    long_share: float = 0.0
    is_cut: bool = False


def prepare(paths: Sequence[Path], out: Path, wishes: Wishes, tell: Tell = lambda *_: None) -> tuple[Path, Report]:
    """Prepare files and folders into a folder inside ``out``; the folder and its report.

    Raises NO_TEXT where nothing can be read, TOO_LITTLE_TEXT where too little is left, BROKEN_TEXT for a damaged file
    that was named itself, BAD_VALUE, and CANNOT_WRITE.
    """
    wishes.check()
    found = readers.files(paths)
    if not found:
        raise UserError(Fault.NO_TEXT, path=", ".join(map(str, paths)) or "nothing")
    folder = out / f"prepared-{_digest(found, wishes)}"
    if (report := _found(folder)) is not None:
        return folder, report
    half = out / f"{folder.name}.{os.getpid()}{_HALF}"  # another process may prepare the same just now
    try:
        _clear(out)
        half.mkdir(parents=True)
        report = _Preparation(found, half, wishes, tell).run()
        (half / "report.json").write_bytes(msgspec.json.encode(report))
        if _found(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)  # damaged
            os.replace(half, folder)
    except OSError as error:
        raise UserError(Fault.CANNOT_WRITE, path=out, reason=error.strerror or error) from None
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return folder, report


def _found(folder: Path) -> Report | None:
    """The report of a preparation that is there and whole."""
    if not all((folder / f"{name}.jsonl").is_file() for name in _PARTS):
        return None
    try:
        return msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None


def _clear(out: Path) -> None:
    """Take away what preparations that were killed have left."""
    for half in out.glob(f"prepared-*{_HALF}"):
        number = half.name.removesuffix(_HALF).rpartition(".")[2]
        if not (number.isdecimal() and psutil.pid_exists(int(number))) or int(number) == os.getpid():
            shutil.rmtree(half, ignore_errors=True)


class _Preparation:
    def __init__(self, found: list[tuple[Path, bool]], folder: Path, wishes: Wishes, tell: Tell) -> None:
        self._found, self._folder, self._wishes, self._tell = found, folder, wishes, tell
        self._skipped: dict[Path, str] = {}
        self._documents = self._read_bytes = 0

    def run(self) -> Report:
        cleaner = Cleaner(self._wishes.steps, self._wishes.languages)
        if "boilerplate" in self._wishes.steps:
            cleaner.learn(self._read("reading"))
        self._documents = self._read_bytes = 0
        (documents, size), (held_documents, held_size) = self._write(
            (number > 0 and _hash(document) < self._wishes.held_out, document)
            for number, document in enumerate(cleaner.clean(self._read("cleaning")))
        )
        if is_cut := not held_documents and self._wishes.held_out > 0:
            whole = (self._folder / "train.jsonl").rename(self._folder / "whole.jsonl")
            cut = (part for document in readers.read(whole) for part in _cut(document, self._wishes.held_out))
            (documents, size), (held_documents, held_size) = self._write(cut)
            whole.unlink()
        if size < LEAST_BYTES:
            where = ", ".join(dict.fromkeys(str(path) for path, _ in self._found[:3]))
            raise UserError(Fault.TOO_LITTLE_TEXT, path=where, documents=documents, bytes=size, least=LEAST_BYTES)
        from chatdesk.training.tokenizer import long_share

        return Report(
            files=len(self._found) - len(self._skipped),
            documents=self._documents,
            read_bytes=self._read_bytes,
            steps=tuple(cleaner.counts),
            train_documents=documents,
            train_bytes=size,
            held_out_documents=held_documents,
            held_out_bytes=held_size,
            skipped=tuple(shown(f"{path}: {reason}", _LONGEST_REMARK) for path, reason in self._skipped.items()),
            words=self._measure_words(),
            long_share=long_share(self._folder / "train.jsonl"),
            is_cut=is_cut and held_documents > 0,
        )

    def _write(self, documents: Iterator[tuple[bool, Document]]) -> tuple[list[int], list[int]]:
        """Write documents, each with whether it is held out; number and bytes of those to train on, and of others."""
        sums = [0, 0], [0, 0]
        streams = [(self._folder / f"{name}.jsonl").open("wb") for name in _PARTS]
        try:
            for is_held_out, document in documents:
                streams[is_held_out].write(_line(document))
                sums[is_held_out][0] += 1
                sums[is_held_out][1] += size_bytes(document)
        finally:
            for stream in streams:
                stream.close()
        return sums

    def _read(self, stage: str) -> Iterator[Document]:
        """All documents; a damaged file of a folder is passed over and remembered."""
        for number, (path, is_named) in enumerate(self._found):
            self._tell(stage, number, len(self._found))
            before = self._documents
            try:
                for document in readers.read(path):
                    self._documents += 1
                    self._read_bytes += size_bytes(document)
                    yield document
            except UserError as error:
                if is_named:
                    raise
                used = self._documents - before
                ahead = f"; the {used} documents in front of that are used" if used else ""
                self._skipped[path] = error.fields.get("reason", str(error)) + ahead

    def _measure_words(self) -> Words | None:
        if not self._wishes.vocabulary and not self._wishes.tokenizer:
            return None
        from chatdesk.training.memory import SAMPLE_BYTES
        from chatdesk.training.tokenizer import load_tokenizer, sample, train_tokenizer, write_tokenizer

        self._tell("tokenizer", 0, 1)
        train, held_out = (self._folder / f"{name}.jsonl" for name in _PARTS)
        if self._wishes.tokenizer:
            folder = Path(self._wishes.tokenizer)
            if not (folder / "tokenizer.json").is_file():
                raise UserError(Fault.NO_TOKENIZER, path=folder)
            tokenizer = load_tokenizer(folder)
        else:
            tokenizer = train_tokenizer(sample(train, SAMPLE_BYTES, 1), self._wishes.vocabulary)
            write_tokenizer(tokenizer, self._folder / "tokenizer.json")
        return words_of(tokenizer, train, held_out if held_out.stat().st_size else train)


def words_of(tokenizer: "Tokenizer", train: Path, measured: Path) -> Words:
    """How a tokenizer cuts the documents of two files of a preparation: all of both, the density of ``measured``."""
    counts: Counter[str] = Counter()
    used: set[int] = set()
    size = tokens = total = 0
    for path in dict.fromkeys((train, measured)):
        for document in readers.read(path):
            for text in texts(document):
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                used.update(ids)
                total += len(ids)
                counts.update(text.split())
                if path == measured:
                    size, tokens = size + len(text.encode()), tokens + len(ids)
    common = [word for word, times in counts.most_common(20_000) if times >= _RARE]
    cut = {word: len(tokenizer.encode(f" {word}", add_special_tokens=False).ids) for word in common}
    rare = sorted(cut, key=lambda word: (-cut[word], word))[:_SHOWN_WORDS]
    vocabulary = tokenizer.get_vocab_size()
    return Words(vocabulary, size / max(1, tokens), total, vocabulary - len(used), tuple(rare))


def _hash(document: Document) -> float:
    """Of the words, from 0 to 1."""
    words = "\n".join(texts(document)).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big") / 2**64


def _cut(document: Document, share: float) -> Iterator[tuple[bool, Document]]:
    """The parts of a long text, at least one of which is held out; what else there is as it is, to train on."""
    if not isinstance(document, str) or len(document) < _LEAST_PART * _LEAST_PIECES:
        yield False, document
        return
    pieces = list(_pieces(document, max(_LEAST_PART, len(document) // _MOST_PIECES)))
    order = sorted(range(len(pieces)), key=lambda place: _hash(pieces[place]))
    held_out = set(order[: max(1, round(share * len(pieces)))]) if len(pieces) > 1 else set()
    for is_held_out, places in groupby(range(len(pieces)), held_out.__contains__):
        if text := "".join(pieces[place] for place in places).strip():
            yield is_held_out, text


def _pieces(text: str, least: int) -> Iterator[str]:
    start = 0
    while (found := _END.search(text, start + least)) is not None and found.end() < len(text):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]


def _line(document: Document) -> bytes:
    value: dict[str, Any] = (
        {"text": document}
        if isinstance(document, str)
        else {"turns": [{"speaker": turn.role, "text": turn.text} for turn in document]}
    )
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _digest(found: Sequence[tuple[Path, bool]], wishes: Wishes) -> str:
    """Of the bytes of all files in their order, and of what was asked for; what reading a file of a folder passes over
    is passed over.
    """
    whole = hashlib.blake2b(msgspec.json.encode((_VERSION, wishes)), digest_size=8)
    for path, is_named in found:
        try:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest() + readers.kind(path).encode())
        except OSError as error:
            if is_named:
                raise UserError(Fault.BROKEN_TEXT, path=path, reason=error.strerror or error) from None
    return whole.hexdigest()
