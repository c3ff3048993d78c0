"""``chatdesk classify``: one text, files, true labels, a kill in the middle, bad input."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chatdesk.cli import cli
from tests.engine.checkpoints import make_checkpoint

SENTIMENT = Path(__file__).parent / "tasks" / "sentiment.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_checkpoint(tmp_path_factory.mktemp("classify") / "tiny", "gpt2"))


def run(profile: Path, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["--profile", str(profile), "classify", *arguments], input=stdin)


def test_one_text(model: str, tmp_path: Path) -> None:
    found = run(
        tmp_path / "p", "--text", "-", "--label", "good", "--label", "bad=very bad", "--model", model, stdin="hm"
    )
    assert found.exit_code == 0, found.output
    assert found.stdout.split()[0] in ("good", "bad")
    told = run(tmp_path / "p", "--text", "hm", "--label", "good", "--label", "bad=very bad", "--model", model, "--json")
    (row,) = json.loads(told.stdout)["rows"]
    assert set(row["probabilities"]) == {"good", "bad"}
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    assert not (tmp_path / "p").exists()  # one text needs no journal


def test_a_file_with_true_labels(model: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    told = run(tmp_path / "p", str(SENTIMENT), "--model", model, "--out", str(out), "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == [row["predicted"] for row in found["rows"]]
    right = sum(row["predicted"] == row["label"] for row in rows)
    assert found["accuracy"] == right / 40
    assert sum(map(sum, found["confusion"])) == found["counted"] == 40
    said = run(tmp_path / "p", str(SENTIMENT), "--model", model, "--out", str(out))
    assert f"accuracy {right / 40:.1%} of 40 texts" in said.stdout
    assert "40 of 40 texts were done before" in said.stderr
    other = run(tmp_path / "p", str(SENTIMENT), "--model", model, "--label", "red", "--label", "blue")
    assert "None of the true labels is one of these" in other.stdout
    assert "accuracy" not in other.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_in_the_middle_costs_no_result(model: str, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("\n".join(f"once upon a time there was number {n}" for n in range(1200)))
    arguments = ["--profile", str(tmp_path / "p"), "classify", str(file), "--model", model, "--json"]
    child = subprocess.Popen(
        [sys.executable, "-m", "chatdesk", *arguments],
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    while not any(path.stat().st_size > 8_000 for path in tmp_path.glob("p/classified/*.jsonl")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    again = CliRunner().invoke(cli, arguments)
    assert "texts were done before" in again.stderr
    rows = json.loads(again.stdout)["rows"]
    assert len(rows) == 1200
    assert all(row["predicted"] for row in rows)
    fresh = run(tmp_path / "q", str(file), "--model", model, "--json")
    for row, other in zip(rows, json.loads(fresh.stdout)["rows"], strict=True):
        assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "file is none"),
        (("no.csv",), "does not exist"),
        (("bad.csv",), "from line 2 on"),
        (("columns.csv",), "There is no column “text”. Choose one of these: review, stars."),
        (("columns.csv", "--text-column", "review", "--label-column", "truth"), "There is no column “truth”"),
        (("binary.txt",), "is not a text file"),
        (("--text", "a", "--label", "only"), "at least two labels"),
        (("--text", "a", "--label", "x=", "--label", "y"), "Label 1 is empty"),
        (("--text", "a", "--prompt", "nothing"), "needs {text}"),
        (("--text", "a", "--set", "mood"), "one of sentiment"),
    ],
)
def test_bad_input_is_one_sentence(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text('text,label\n"a"b",positive\n')
    Path("columns.csv").write_text("review,stars\ngood,5\n")
    Path("binary.txt").write_bytes(b"\x7fELF\x00\x01\x02")
    found = run(tmp_path / "p", *arguments, "--model", model)
    assert found.exit_code == 2
    assert sentence in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert found.stdout == ""


def test_a_text_that_is_too_long_does_not_stop_the_others(model: str, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("short\n" + "word " * 2000 + "\nshort too\n")
    found = run(tmp_path / "p", str(file), "--model", model)
    assert found.exit_code == 0
    assert "(too long: at least 4" in found.stdout  # it says no more than is known
    assert len(found.stdout.splitlines()) == 3
