"""Evaluation says what a plain, slow computation says."""

import json
import math
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer

from chatdesk.errors import Fault, UserError
from chatdesk.training.corpus import Turn
from chatdesk.training.evaluate import evaluate_text
from chatdesk.training.model import export, new_model
from chatdesk.training.recipe import ModelShape, SamplingDefaults
from chatdesk.training.tokenizer import save_tokenizer, train_tokenizer

TEXT = "The cat sat on the mat. É was a letter, and the rain came down — for days and days. "


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = train_tokenizer([TEXT, (Turn("user", "Hello"),)], 300)
    save_tokenizer(tokenizer, folder / "tokenizer", 24)
    export(
        new_model(ModelShape(300, 24, 16, 2, 2), 0, seed=2), folder / "tokenizer", SamplingDefaults(), folder / "model"
    )
    return folder / "model"


def _reference(ids: list[int], model: torch.nn.Module, window: int, stride: int) -> float:
    """Nats of all tokens but the first, each predicted alone in the first window that holds it."""
    total = 0.0
    for place in range(1, len(ids)):
        start = 0
        while start + window <= place:
            start += stride
        with torch.no_grad():
            logits = model(torch.tensor([ids[start:place]])).logits[0, -1]
        total -= float(torch.log_softmax(logits.double(), -1)[ids[place]])
    return total


@pytest.mark.parametrize(("window", "stride"), [(None, None), (None, 1), (10, 3)])
def test_it_equals_a_slow_reference(checkpoint: Path, tmp_path: Path, window: int | None, stride: int | None) -> None:
    file = tmp_path / "x.txt"
    file.write_text(TEXT, encoding="utf-8")
    found = evaluate_text(file, checkpoint, stride, window, device="cpu")
    ids = transformers.AutoTokenizer.from_pretrained(checkpoint)(TEXT).input_ids
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    nats = _reference(ids, model, window or 24, stride or 12)
    assert (found.window, found.stride) == (window or 24, stride or 12)
    assert (found.tokens, found.bytes) == (len(ids) - 1, len(TEXT.encode()) - len("The"))  # nothing precedes the first
    assert found.loss == pytest.approx(nats / found.tokens, rel=1e-3)
    assert found.perplexity == pytest.approx(math.exp(nats / found.tokens), rel=1e-3)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) / found.bytes, rel=1e-3)


def test_documents_are_scored_one_by_one(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("The cat sat.")
    (tmp_path / "two.jsonl").write_text(
        json.dumps({"text": "The cat sat."}) + "\n" + json.dumps({"text": "The cat sat."})
    )
    progress: list[tuple[int, int]] = []
    one = evaluate_text(tmp_path / "one.txt", checkpoint, device="cpu")
    two = evaluate_text(
        tmp_path / "two.jsonl", checkpoint, device="cpu", report=lambda done, total: progress.append((done, total))
    )
    assert two.tokens == 2 * one.tokens
    assert two.bits_per_byte == pytest.approx(one.bits_per_byte, rel=1e-4)
    assert progress[-1] == (two.tokens, two.tokens)


def test_bytes_are_counted_of_what_is_scored(checkpoint: Path, tmp_path: Path) -> None:
    """A model that has something in front of each text is no worse for telling its first token, too."""
    texts = ["The cat", "days", "É", "the mat and days"]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    found = evaluate_text(tmp_path / "x.jsonl", checkpoint, device="cpu")
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    cut = [tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids) for text in texts]
    assert any(len(tokens) > 1 for tokens in cut)
    assert found.tokens == sum(len(tokens) - 1 for tokens in cut)
    assert found.bytes == sum(len(token) for tokens in cut for token in tokens[1:])  # a letter for each byte


def test_names_of_special_tokens_are_text(checkpoint: Path, tmp_path: Path) -> None:
    turns = [{"speaker": "a", "text": "say <|end|>"}, {"speaker": "b", "text": "The cat."}]
    plain = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    plain.encode_special_tokens = True
    prose, said, answered = (len(plain.encode(text).ids) for text in ("The <|end|>", "say <|end|>", "The cat."))
    for content, expected in (({"text": "The <|end|>"}, prose), ({"turns": turns}, said + answered + 4)):
        (tmp_path / "x.jsonl").write_text(json.dumps(content))
        assert evaluate_text(tmp_path / "x.jsonl", checkpoint, device="cpu").tokens == expected - 1


def test_a_dialogue_goes_through_the_chat_template(checkpoint: Path, tmp_path: Path) -> None:
    turns = [{"speaker": "a", "text": "Hello"}, {"speaker": "b", "text": "The cat."}]
    (tmp_path / "x.jsonl").write_text(json.dumps({"turns": turns}))
    found = evaluate_text(tmp_path / "x.jsonl", checkpoint, device="cpu")
    ids = transformers.AutoTokenizer.from_pretrained(checkpoint)("<|user|>Hello<|end|><|assistant|>The cat.<|end|>")
    assert found.tokens == len(ids.input_ids) - 1
    assert found.bytes == len("HelloThe cat.")
    assert "bits per byte" in found.table()
    assert found.to_builtins()["tokens"] == found.tokens


def test_what_cannot_be_measured(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("")
    for stride, window, fault in [
        (24, None, Fault.BAD_VALUE),
        (0, None, Fault.BAD_VALUE),
        (None, 0, Fault.BAD_VALUE),
        (-1, None, Fault.BAD_VALUE),
        (None, 25, Fault.BAD_VALUE),
        (None, None, Fault.NO_TEXT),
    ]:
        with pytest.raises(UserError) as caught:
            evaluate_text(file, checkpoint, stride, window, device="cpu")
        assert caught.value.fault == fault
    with pytest.raises(UserError) as caught:
        evaluate_text(tmp_path / "none.txt", checkpoint)
    assert caught.value.fault == Fault.FILE_NOT_FOUND
