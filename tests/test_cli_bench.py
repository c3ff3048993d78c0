"""``chatdesk bench``: its table, its JSON, what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chatdesk import app
from chatdesk.cli import cli
from chatdesk.engine.fake import FakeEngine
from tests.engine.checkpoints import make_checkpoint


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", *arguments])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "piped_engine", FakeEngine)


def test_the_table_has_each_figure_with_its_baseline(fake: None, tmp_path: Path) -> None:
    done = run("--model", str(tmp_path))
    assert done.exit_code == 0, done.output
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"{tmp_path.name}, float32, on none. Medians of 5 rounds." in rows
    assert "decode, tokens/s 100 25 4.0 × transformers' generate, same weights" in rows
    assert "prefill, tokens/s 100 25 4.0 × transformers' generate, same weights" in rows
    assert any(row.startswith("first token of a next turn, s 0.020 0.080 4.0 ×") for row in rows)
    assert "memory 400 MB 100 MB 4.0 × the weights alone" in rows
    assert "weights read by decoding 10 GB/s 12 GB/s 80 % a plain read of this memory" in rows
    assert rows[-1].startswith(
        "Decoding reads 100 MB of weights for a token, and this memory gives 12 GB a second: at most 125 tokens a "
        "second, of which chatdesk reaches 80 %. The memory is the limit here"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model", "fake:x", "--rounds", "4"), "rounds is 4; it must be at least 5."),
        (("--model", "nothing/here"), "nothing/here does not exist. Check the name."),
        (("--model", "fake:oom"), "cpu ran out of memory."),
    ],
)
def test_bad_input_is_one_sentence(fake: None, arguments: tuple[str, ...], sentence: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"chatdesk: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def test_the_engine_in_its_own_process_is_measured(tmp_path: Path) -> None:
    """As a person runs it; nothing but JSON on stdout, nothing on stderr."""
    folder = make_checkpoint(tmp_path / "tiny", "gpt2", config={"n_positions": 128})
    command = [sys.executable, "-m", "chatdesk", "bench", "--model", str(folder), "--dtype", "bfloat16", "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["dtype"] == "bfloat16"
    assert told["rounds"] == len(told["measured"]["decode"]["plain"]) == 5
    for name in ("decode", "prefill", "first_token"):
        assert set(told["medians"][name]) == {"chatdesk", "transformers", "ratio"}
        assert min(told["medians"][name].values()) > 0
    assert told["measured"]["reused_tokens"] > 0
    assert told["limit"] in ("memory", "computing", "cache")
    assert told["says"].startswith("Decoding reads")
