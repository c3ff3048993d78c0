"""What a tokenizer is trained on: words as they come, long runs without spaces in a bounded amount."""

import json
import random
from pathlib import Path

import pytest

from chatdesk.training.corpus import sample_documents, size_bytes
from chatdesk.training.memory import tokenizer_bytes
from chatdesk.training.tokenizer import long_share, sample, train_tokenizer, write_tokenizer


def _file(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def test_text_of_words_is_drawn_as_ever(tmp_path: Path) -> None:
    file = _file(tmp_path / "x.jsonl", [f"The cat number {number} sat on the mat. " * 5 for number in range(500)])
    drawn = list(sample(file, 30_000, 3))
    assert drawn == list(sample_documents(file, 30_000, 3))
    assert 15_000 < sum(map(size_bytes, drawn)) < 60_000


def test_of_text_without_spaces_there_is_less(tmp_path: Path) -> None:
    draw = random.Random(1)
    lines = ["".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(100)) for _ in range(1000)]
    file = _file(tmp_path / "x.jsonl", lines)
    assert 15_000 < sum(map(size_bytes, sample(file, 300_000, 3))) < 60_000


def test_what_it_takes_follows_from_what_is_read(tmp_path: Path) -> None:
    """Of Chinese less is read, and each byte of it takes more."""
    chinese = _file(tmp_path / "x.jsonl", ["今天的天气很好我们一起去公园里散步看花和树木还有湖" * 4] * 50)
    english = _file(tmp_path / "y.jsonl", ["The cat sat on the mat and looked at the rain. " * 4] * 50)
    assert (long_share(chinese), long_share(english)) == (1.0, 0.0)
    takes = [round(tokenizer_bytes(size, share) / 1e6) for share in (0.0, 1.0) for size in (1e6, 1e7, 1e9)]
    assert takes == [22, 45, 70, 188, 355, 355]


def test_a_file_of_one_document_is_cut(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("The rain fell on the hills. " * 10_000)
    [document] = sample(tmp_path / "x.txt", 5_000, 3)
    assert isinstance(document, str)
    assert len(document) == 10_000


def test_a_tokenizer_is_written_as_the_library_does_and_a_full_disk_is_told(tmp_path: Path) -> None:
    made = train_tokenizer(["The cat sat on the mat, 今天天气很好. " * 9], 300)
    made.save(str(tmp_path / "own.json"))
    write_tokenizer(made, tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_bytes() == (tmp_path / "own.json").read_bytes()
    for place in (tmp_path / "none" / "tokenizer.json", *(each for each in [Path("/dev/full")] if each.exists())):
        with pytest.raises(OSError, match="No s"):
            write_tokenizer(made, place)
