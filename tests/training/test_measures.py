"""What `eval` says beside perplexity: samples, last words, all of it together."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
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
    chinese = "今天的天气很好，我们去公园里散步。"
    assert openings([chinese, "天气很好。"], 5) == [Prompt("今天的天气很好，")]
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(UserError) as caught:
        read_prompts(tmp_path / "empty.txt", is_message=False)
    assert caught.value.fault == Fault.NO_TEXT


def test_two_checkpoints_are_measured_alike(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "x.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "words.txt").write_text("\n".join(LINES), encoding="utf-8")
    wanted = Wanted((tmp_path / "x.txt",), tmp_path / "words.txt", SampleWishes(4, 12), against=(tmp_path,))
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


def test_several_texts_are_measured_together(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    files = (tmp_path / "x.txt", tmp_path / "y.txt")
    for file, text in zip(files, (TEXT, "And another text, which is not so long."), strict=True):
        file.write_text(text, encoding="utf-8")
    one, two = (measure([checkpoint], Wanted((file,)))[0].evaluation for file in files)
    both = measure([checkpoint], Wanted(files))[0].evaluation
    assert one is not None
    assert two is not None
    assert both is not None
    assert (both.tokens, both.bytes) == (one.tokens + two.tokens, one.bytes + two.bytes)
    nats = one.loss * one.tokens + two.loss * two.tokens
    assert both.loss == pytest.approx(nats / both.tokens)
    told = CliRunner().invoke(cli, ["eval", *map(str, files), "--model", str(checkpoint), "--json"])
    assert json.loads(told.stdout)["tokens"] == both.tokens


def test_a_perplexity_beyond_all_numbers_is_none_in_json(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "wild"
    shutil.copytree(checkpoint, folder)
    weights = load_file(folder / "model.safetensors")
    weights["transformer.ln_f.weight"] *= 1e6
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (tmp_path / "x.txt").write_text(TEXT, encoding="utf-8")
    told = CliRunner().invoke(cli, ["eval", str(tmp_path / "x.txt"), "--model", str(folder), "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["perplexity"] is None
    assert found["loss"] > 710


def test_what_cannot_be_measured(checkpoint: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "x.txt").write_text("one")
    text = tmp_path / "x.txt"
    for wanted, fault in [
        (Wanted(), Fault.BAD_VALUE),
        (Wanted((text,), against=(text,)), Fault.BAD_VALUE),
        (Wanted(last_words=text, sampled=SampleWishes()), Fault.BAD_VALUE),
        (Wanted((text,), sampled=SampleWishes(0)), Fault.BAD_VALUE),
        (Wanted((text,), sampled=SampleWishes()), Fault.NO_TEXT),
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
