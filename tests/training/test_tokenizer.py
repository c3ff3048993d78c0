"""What a tokenizer is trained on: words as they come, long runs without spaces in a bounded amount."""

import json
import random
from pathlib import Path

from chatdesk.training.corpus import sample_documents, size_bytes
from chatdesk.training.tokenizer import sample


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


def test_a_file_of_one_document_is_cut(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("The rain fell on the hills. " * 10_000)
    [document] = sample(tmp_path / "x.txt", 5_000, 3)
    assert isinstance(document, str)
    assert len(document) == 10_000
