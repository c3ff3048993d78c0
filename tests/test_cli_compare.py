"""``chatdesk compare`` and ``chatdesk eval`` with all that they write."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import transformers
from typer.testing import CliRunner, Result

from chatdesk import cli_compare
from chatdesk.cli import cli
from chatdesk.engine.child import child_environment
from chatdesk.errors import Fault
from chatdesk.tasks.comparing import Comparison
from chatdesk.training.errands import Compare, Contender, ErrandEvent, Going, Refused
from chatdesk.training.process import NICENESS
from tests.engine.adapters import make_adapter, with_adapter
from tests.engine.checkpoints import make_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_checkpoint(tmp_path_factory.mktemp("compare") / "tiny", "gpt2"))


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, list(arguments), input=stdin)


def test_votes_from_a_pipe_and_going_on(model: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("One\nTwo\nThree\n")
    profile = str(tmp_path / "profile")
    args = ("--profile", profile, "compare", model, model, "--prompts", str(tmp_path / "p.txt"), "--text")
    short = (*args, "--max-new-tokens", "4", "--json")
    first = json.loads(run(*short, stdin="l\nwhat\nb\nq\n").stdout)
    assert first["votes"]["a"] + first["votes"]["b"] == 1
    assert first["votes"]["bad"] == 1
    early = run(*args, "--max-new-tokens", "4", stdin="q\n")  # the count would tell who leads
    assert (early.exit_code, early.stdout) == (0, "")
    assert "2 of 3 prompts voted on; the same command goes on." in early.stderr
    file = Path(first["file"])
    assert len(file.read_text().splitlines()) == 1 + 6 + 2
    second = json.loads(run(*short, stdin="s\n").stdout)
    assert second["votes"] == {**first["votes"], "same": 1}
    assert len(file.read_text().splitlines()) == 1 + 6 + 3
    shown = run(*args, "--max-new-tokens", "4", stdin="")
    assert "both bad: 1" in shown.stdout
    assert "sign test: p = 1" in shown.stdout


def test_compare_refuses_what_it_cannot_read(model: str, tmp_path: Path) -> None:
    failed = run("compare", model, str(tmp_path / "none"), "--prompts", str(tmp_path / "p.txt"))
    assert failed.exit_code == 2
    failed = run("--profile", str(tmp_path), "compare", model, model, "--prompts", str(tmp_path / "p.txt"))
    assert failed.exit_code == 2
    assert "p.txt" in failed.stderr


def test_eval_writes_a_report(model: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("The quick brown fox jumps over the lazy dog again. " * 10)
    html = tmp_path / "r.html"
    args = ("eval", str(tmp_path / "t.txt"), "--model", model, "--other", model)
    told = json.loads(
        run(
            *args, "--samples", "2", "--max-new-tokens", "6", "--against", str(tmp_path), "--html", str(html), "--json"
        ).stdout
    )
    assert told["diversity"]["texts"] == 2
    assert told["other"]["bits_per_byte"] == told["bits_per_byte"]
    assert "self-BLEU" in html.read_text(encoding="utf-8")
    failed = run("eval", "--model", model)
    assert failed.exit_code == 2
    assert "nothing" in failed.stderr
    failed = run("eval", "--run", str(tmp_path), "--html", str(html))
    assert failed.exit_code == 2
    assert "events.jsonl" in failed.stderr


@pytest.fixture(scope="module")
def adapter(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    run = tmp_path_factory.mktemp("runs") / "pirate"
    run.mkdir()
    (run / "run.json").write_text("{}")
    return str(make_adapter(run / "adapter", Path(model), "gpt2"))


def test_a_checkpoint_against_itself_with_an_adapter(
    model: str, adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.txt").write_text("One\nTwo\n")
    loads: list[Path] = []
    opened = cli_compare.opened_engine

    def count(folder: Path, *args: Any, **more: Any) -> Any:
        loads.append(folder)
        return opened(folder, *args, **more)

    monkeypatch.setattr(cli_compare, "opened_engine", count)
    args = ("compare", model, model, "--second-adapter", adapter, "--prompts", str(tmp_path / "p.txt"), "--text")
    done = run("--profile", str(tmp_path), *args, "--max-new-tokens", "8", "--temperature", "0", "--json")
    told = json.loads(done.stdout)
    assert (told["a"], told["b"]) == ("tiny", "tiny + pirate")
    assert loads == [Path(model)]
    answers = [json.loads(line) for line in Path(told["file"]).read_text().splitlines()[1:]]
    said = {(line["model"], line["prompt"]): line["answer"] for line in answers}
    assert len(said) == 4
    for prompt, text in enumerate(("One", "Two")):
        for side, attached in (("a", ()), ("b", ("--adapter", adapter))):
            plain = run("complete", text, "--model", model, *attached, "--max-new-tokens", "8", "--temperature", "0")
            assert plain.stdout.strip() == said[side, prompt].strip()
    assert said["a", 0] != said["b", 0]
    failed = run("--profile", str(tmp_path), *args[:4], model, *args[5:])
    assert failed.exit_code == 2
    assert "adapter_config.json" in failed.stderr


def test_eval_with_an_adapter_beside_the_same_model_without(model: str, adapter: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("The quick brown fox jumps over the lazy dog again. " * 3)
    args = ("eval", str(tmp_path / "t.txt"), "--model", model, "--json")
    both = json.loads(run(*args, "--other-adapter", adapter).stdout)
    assert (both["model"], both["other"]["model"]) == ("tiny", "tiny + pirate")
    one = json.loads(run(*args, "--adapter", adapter).stdout)
    assert one["loss"] == both["other"]["loss"] != both["loss"]
    tuned = with_adapter(Path(model), Path(adapter))
    ids = torch.tensor([transformers.AutoTokenizer.from_pretrained(model)((tmp_path / "t.txt").read_text()).input_ids])
    assert ids.shape[1] < 512  # one window
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(tuned(ids).logits[0, :-1], ids[0, 1:])
    assert one["loss"] == pytest.approx(float(loss), abs=1e-4)


def _child(folder: Path, errand: Compare) -> "subprocess.Popen[bytes]":
    (folder / "errand.json").write_bytes(msgspec.json.encode(errand))
    command = [sys.executable, "-P", "-m", "chatdesk", "--compare-process", str(folder / "errand.json")]
    environment = {**child_environment(None), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_errand_tells_how_many_answers_are_there(model: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    journal = tmp_path / "a" / "x.jsonl"
    wanted = Compare(Contender(model), Contender(model), ("One", "Two"), str(journal), 1)
    for expected in ([(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)], []):  # the second time there is nothing to do
        told.clear()
        cli_compare._answered(wanted, lambda what, done, total: told.append((done, total)))
        assert told == expected
    comparison = Comparison.read(journal)
    assert comparison.missing("a") == comparison.missing("b") == []
    wanted = msgspec.structs.replace(wanted, is_text=True, out=str(tmp_path / "b.jsonl"))
    cli_compare._answered(wanted, lambda what, done, total: None)
    (tmp_path / "p.txt").write_text("One\nTwo\n")
    run("compare", model, model, "--prompts", str(tmp_path / "p.txt"), "--text", "--out", str(tmp_path / "c.jsonl"))
    assert (tmp_path / "b.jsonl").read_text() == (tmp_path / "c.jsonl").read_text()


def test_the_child_of_the_window_ends_with_it(model: str, tmp_path: Path) -> None:
    prompts = tuple(f"Prompt {number}" for number in range(2000))
    wanted = Compare(Contender(model), Contender(model), prompts, str(tmp_path / "x.jsonl"), 1)
    with _child(tmp_path, wanted) as child:
        while msgspec.json.decode(child.stdout.readline(), type=Going).done < 2:
            assert child.poll() is None
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        child.stdin.close()  # as a crash does
        assert child.wait(timeout=20) == 3
    comparison = Comparison.read(tmp_path / "x.jsonl")
    assert 2 <= len(prompts) - len(comparison.missing("a")) < len(prompts)


def test_the_child_of_the_window_says_what_is_wrong(model: str, tmp_path: Path) -> None:
    wanted = Compare(Contender(model), Contender(str(tmp_path / "none")), ("One",), str(tmp_path / "x.jsonl"), 1)
    with _child(tmp_path, wanted) as child:
        told = [msgspec.json.decode(line, type=ErrandEvent) for line in child.stdout]
        assert child.wait(timeout=20) == 2
    assert told == [Refused(Fault.FILE_NOT_FOUND, {"path": str(tmp_path / "none")})]
