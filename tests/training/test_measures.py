"""What `eval` says beside perplexity: samples, last words, all of it together."""

import json
import math
from pathlib import Path

import pytest
import torch
import transformers
from typer.testing import CliRunner

from chatdesk.cli import cli
from chatdesk.errors import Fault, UserError
from chatdesk.training import measures
from chatdesk.training.corpus import Turn
from chatdesk.training.evaluate import open_checkpoint
from chatdesk.training.last_word import last_words
from chatdesk.training.measures import Wanted, measure
from chatdesk.training.samples import Prompt, SampleWishes, draw, openings, read_prompts
from tests.training.test_evaluate import TEXT, checkpoint  # noqa: F401 - a fixture

LINES = ["The cat sat on the mat.", "É was a letter", "the rain came\tdown", "one", "days and days and days. " * 3]


def _reference(line: str, folder: Path, context: int) -> tuple[bool, float]:
    """Whether the last word is right, token by token, and its loss."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    line = line.strip()
    before = tokenizer(line[: -len(line.split()[-1])].rstrip()).input_ids
    ids = tokenizer(line).input_ids
    right, loss = True, 0.0
    for place in range(len(before), len(ids)):
        cut = ids[max(0, len(ids) - context) : place]
        with torch.no_grad():
            logits = model(torch.tensor([cut])).logits[0, -1]
        right = right and int(logits.argmax()) == ids[place]
        loss -= float(torch.log_softmax(logits.double(), -1)[ids[place]])
    return right, loss


def test_last_words_equal_a_slow_reference(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "x.txt"
    file.write_text("\n".join(LINES), encoding="utf-8")
    loaded = open_checkpoint(checkpoint, "cpu")
    found = last_words(file, loaded)
    expected = [_reference(line, checkpoint, 24) for line in LINES if len(line.split()) > 1]
    assert (found.passages, found.left_out) == (4, 1)
    assert found.accuracy == sum(right for right, _ in expected) / 4
    assert found.perplexity == pytest.approx(math.exp(sum(loss for _, loss in expected) / 4), rel=1e-3)


def test_some_last_words_are_right(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    """With tied embeddings an untrained model likes to say its last token again."""
    lines = [f"a {word} {word}" for word in dict.fromkeys(TEXT.split())]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in lines))
    right = [_reference(line, checkpoint, 24)[0] for line in lines]
    assert 0 < sum(right) < len(right)
    assert last_words(tmp_path / "x.jsonl", open_checkpoint(checkpoint, "cpu")).accuracy == sum(right) / len(right)


def test_samples_follow_the_seed(checkpoint: Path) -> None:  # noqa: F811
    loaded = open_checkpoint(checkpoint, "cpu")
    prompts = [Prompt("The cat"), Prompt("Hello", is_message=True)]
    progress: list[tuple[int, int]] = []
    one = draw(loaded, prompts, SampleWishes(3, 6), lambda *done: progress.append(done))
    assert [sample.prompt for sample in one] == ["The cat"] * 3 + ["Hello"] * 3
    assert progress == [(3, 6), (6, 6)]
    assert draw(loaded, prompts, SampleWishes(3, 6)) == one
    assert draw(loaded, prompts, SampleWishes(3, 6, seed=50)) != one
    greedy = draw(loaded, prompts[:1], SampleWishes(2, 6, temperature=0))
    assert greedy[0].text == greedy[1].text


def test_where_prompts_come_from(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("One line.\n\n  Another one. \n")
    assert read_prompts(tmp_path / "x.txt", is_message=True) == [
        Prompt("One line.", is_message=True), Prompt("Another one.", is_message=True)
    ]  # fmt: skip
    documents = ["a b c\n\n1 2 3 4 5 6 7 8 9 10", (Turn("assistant", "Hi"), Turn("user", "Who?"))]
    assert openings(documents, 5) == [Prompt("1 2 3 4 5 6 7 8"), Prompt("Who?", is_message=True)]
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(UserError) as caught:
        read_prompts(tmp_path / "empty.txt", is_message=False)
    assert caught.value.fault == Fault.NO_TEXT


def test_two_checkpoints_are_measured_alike(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "x.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "words.txt").write_text("\n".join(LINES), encoding="utf-8")
    wanted = Wanted(tmp_path / "x.txt", tmp_path / "words.txt", SampleWishes(4, 12), against=(tmp_path,))
    one, two = measure([checkpoint, checkpoint], wanted)
    assert one == two
    assert one.diversity is not None
    assert one.diversity.texts == 4
    assert one.diversity.copied is not None
    told = one.to_builtins()
    assert told["bits_per_byte"] == one.evaluation.bits_per_byte
    assert told["last_words"]["passages"] == 4
    for name in ("bits per byte", "distinct-1/2/3", "self-BLEU", "last words", "copied"):
        assert name in one.table()


def test_what_cannot_be_measured(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "x.txt").write_text("one")
    text = tmp_path / "x.txt"
    for wanted, fault in [
        (Wanted(), Fault.BAD_VALUE),
        (Wanted(text, against=(text,)), Fault.BAD_VALUE),
        (Wanted(last_words=text, sampled=SampleWishes()), Fault.BAD_VALUE),
        (Wanted(text, sampled=SampleWishes(0)), Fault.BAD_VALUE),
        (Wanted(text, sampled=SampleWishes()), Fault.NO_TEXT),
        (Wanted(last_words=text), Fault.NO_TEXT),
        (Wanted(prompts=text, sampled=SampleWishes(temperature=-1.0)), Fault.BAD_VALUE),
        (Wanted(prompts=text, sampled=SampleWishes(), against=(tmp_path / "none",)), Fault.FILE_NOT_FOUND),
    ]:
        with pytest.raises(UserError) as caught:
            measure([checkpoint], wanted)
        assert caught.value.fault == fault


def test_too_little_memory_is_a_sentence(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    (tmp_path / "x.txt").write_text(TEXT, encoding="utf-8")

    def allocate(*_: object, **__: object) -> None:
        torch.empty(1 << 60)

    monkeypatch.setattr(measures, "evaluate_documents", allocate)
    failed = CliRunner().invoke(cli, ["eval", str(tmp_path / "x.txt"), "--model", str(checkpoint)])
    assert failed.exit_code == 2
    assert failed.stderr.startswith(f"chatdesk: There was not enough memory to measure {checkpoint.name}.")
