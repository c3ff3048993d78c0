"""The tokens that a tokenizer.json lists, in the forms it has."""

import json
from pathlib import Path

import pytest

from chatdesk.library import vocabulary
from tests.engine.checkpoints import make_tokenizer


def test_all_tokens_as_the_tokenizer_has_them(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert vocabulary.read(tmp_path) == tokenizer.get_vocab()


def test_a_list_counts_by_place_and_added_tokens_belong_to_it(tmp_path: Path) -> None:
    file = {"model": {"vocab": [["<unk>", 0], ["▁a", -1.5]]}, "added_tokens": [{"id": 7, "content": "<|end|>"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    assert vocabulary.read(tmp_path) == {"<unk>": 0, "▁a": 1, "<|end|>": 7}


@pytest.mark.parametrize("text", [None, "", "{", '{"model": {}}', '{"model": {"vocab": {"a": "b"}}}', "[" * 100_000])
def test_what_cannot_be_read_lists_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "tokenizer.json").write_text(text)
    assert vocabulary.read(tmp_path) == {}
