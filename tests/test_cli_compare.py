"""``chatdesk compare`` and ``chatdesk eval`` with all that they write."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chatdesk.cli import cli
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
