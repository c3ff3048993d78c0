"""The command line: what it prints, where, with which exit code. The engine is the real one, on a tiny checkpoint."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chatdesk import __version__, app
from chatdesk.cli import cli, main
from chatdesk.engine.fake import FakeEngine
from chatdesk.settings.store import Settings
from tests.engine.adapters import make_adapter
from tests.engine.checkpoints import make_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_checkpoint(tmp_path_factory.mktemp("cli") / "tiny", "gpt2"))


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "profile"
    assert not (tmp_path / "profile").exists(), "the command line opened the store"


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, list(arguments), input=stdin)


def test_version() -> None:
    assert run("--version").stdout == f"chatdesk {__version__}\n"


@pytest.mark.parametrize("of", [(), ("models",)])
def test_the_list_of_commands_says_of_each_what_it_does(of: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*of, "--help"], terminal_width=78)  # of a terminal of 80
    lines = shown.stdout.partition("Commands:\n")[2].splitlines()
    assert len(lines) >= 7
    assert [line for line in lines if line.endswith("...") or not line.endswith(".")] == []


def test_complete_prints_the_text_alone_on_stdout(model: str, profile: Path) -> None:
    args = ("complete", "once upon", "--model", model, "--seed", "3", "--max-new-tokens", "8")
    shown, told = run("--profile", str(profile), *args), run(*args, "--json")
    assert shown.exit_code == told.exit_code == 0
    assert shown.stdout == json.loads(told.stdout)["drafts"][0]["text"] + "\n"
    assert "tokens/s" in shown.stderr


def test_an_adapter_is_checked_before_the_load_and_changes_the_text(model: str, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "pirate", Path(model), "gpt2")
    args = ("complete", "once upon a time", "--model", model, "--temperature", "0", "--max-new-tokens", "8")
    plain, on = run(*args, "--json"), run(*args, "--json", "--adapter", str(adapter))
    assert (json.loads(plain.stdout)["adapter"], json.loads(on.stdout)["adapter"]) == (None, str(adapter))
    assert json.loads(plain.stdout)["drafts"][0]["text"] != json.loads(on.stdout)["drafts"][0]["text"]
    talked = run("chat", "--model", model, "--temperature", "0", "--adapter", str(adapter), stdin="hello\n")
    assert talked.exit_code == 0
    assert talked.stdout != run("chat", "--model", model, "--temperature", "0", stdin="hello\n").stdout
    refused = run("complete", "once", "--adapter", str(adapter))
    assert refused.exit_code == 2
    assert "The adapter pirate does not fit Starter" in refused.stderr
    itself = run("complete", "once", "--model", str(adapter))
    assert (itself.exit_code, "is an adapter" in itself.stderr) == (2, True)


def test_json_has_all_that_is_promised(model: str) -> None:
    args = ("--alternatives", "5", "--temperature", "0.7", "--logprobs", "3", "--max-length", "20", "--seed", "1")
    told = json.loads(run("complete", "once upon a time", "--model", model, *args, "--json").stdout)
    assert set(told) == {
        "model", "adapter", "device", "dtype", "seed", "sampling", "prompt_tokens", "prompt_token_ids", "drafts",
        "stats",
    }  # fmt: skip
    assert len(told["drafts"]) == 5
    assert len({draft["text"] for draft in told["drafts"]}) > 1
    for draft in told["drafts"]:
        assert "".join(token["text"] for token in draft["tokens"]) in draft["text"]
        assert draft["token_ids"] == [token["id"] for token in draft["tokens"]]
        assert all(len(token["top"]) == 3 for token in draft["tokens"])
        assert told["prompt_tokens"] + len(draft["tokens"]) <= 20
    assert {"ttft_s", "tokens_per_s", "load_s"} <= set(told["stats"])
    assert told["sampling"]["temperature"] == 0.7


def test_several_drafts_are_printed_whole(model: str) -> None:
    shown = run("complete", "once upon", "--model", model, "--alternatives", "2", "--max-new-tokens", "4")
    assert "1. once upon" in shown.stdout
    assert "2. once upon" in shown.stdout


def test_the_prompt_may_come_from_a_pipe(model: str) -> None:
    told = run("complete", "-", "--model", model, "--max-new-tokens", "1", "--json", stdin="from a pipe")
    assert json.loads(told.stdout)["prompt_tokens"] > 0


def test_chat_answers_a_pipe_line_by_line(model: str) -> None:
    args = ("--model", model, "--max-new-tokens", "4", "--system", "Be brief.", "--seed", "1")
    shown = run("chat", *args, stdin="Hello\n\nAnd you?\n")
    assert shown.exit_code == 0
    assert shown.stdout.count("\n") >= 2  # two replies: the blank line is passed over


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["complete", ""], "The prompt is empty"),
        (["complete", "x", "--temperature", "-1"], "temperature is -1.0"),
        (["complete", "x", "--max-length", "9", "--max-new-tokens", "9"], "not both"),
        (["complete", "x", "--alternatives", "0"], "alternatives is 0"),
        (["complete", "x", "--logprobs", "101"], "logprobs is 101"),
        (["complete", "x", "--max-new-tokens", "0"], "a whole number from 1 to 1000000."),
        (["complete", "x", "--device", "cuda"], "no device cuda"),
        (["chat", "--top-p", "7"], "top_p is 7.0"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(model: str, arguments: list[str], words: str) -> None:
    if arguments[-1] == "cuda" and _has_cuda():
        pytest.skip("this machine has the device that is missing here")
    failed = run(*arguments, "--model", model, stdin="Hello\n")
    assert failed.exit_code == 2
    assert words in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert failed.stdout == ""


def test_no_such_model(tmp_path: Path) -> None:
    failed = run("complete", "x", "--model", str(tmp_path / "none"))
    assert failed.exit_code == 2
    assert "does not exist" in failed.stderr


def test_a_prompt_longer_than_the_context_says_what_was_left_out(model: str) -> None:
    shown = run("complete", "word " * 3000, "--model", model, "--max-new-tokens", "2")
    assert shown.exit_code == 0
    assert "tokens were left out" in shown.stderr


def test_a_recipe_with_a_wrong_key(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("version = 1\nlayerz = 3\n")
    failed = run("train", str(recipe), "--out", str(tmp_path / "run"))
    assert failed.exit_code == 2
    assert "layerz" in failed.stderr


def test_eval_prints_what_it_measured(model: str, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 30)
    told = json.loads(run("eval", str(text), "--model", model, "--json").stdout)
    assert told["bytes"] == len(text.read_bytes()) - len("The")  # the first token, which nothing precedes
    assert told["bits_per_byte"] > 0
    assert told["stride"] > 0
    assert "perplexity" in run("eval", str(text), "--model", model).stdout
    unwritable = run("eval", str(text), "--model", model, "--html", str(tmp_path / "none" / "report.html"))
    assert (unwritable.exit_code, "cannot be written" in unwritable.stderr) == (2, True)
    assert "perplexity" in unwritable.stdout, "what was measured is lost with the report"


def test_eval_of_nothing(model: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    failed = run("eval", str(tmp_path / "empty.txt"), "--model", model)
    assert failed.exit_code == 2
    assert "no text" in failed.stderr


def test_without_a_display_the_window_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(app.sys, "platform", "linux")
    failed = run("--profile", str(tmp_path))
    assert failed.exit_code == 2
    assert "chatdesk chat" in failed.stderr


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_reply_cannot_steer_the_terminal(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    words = ["red \x1b[31m", "\x1b]52;c;eA==\x07", "\x9b2J", "back\r", "\x7f\x00", " 天气\tend\n"]
    monkeypatch.setattr(app, "local_engine", lambda: FakeEngine(words))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    cli(["complete", "x", "--model", model], standalone_mode=False)
    plain = "red ␛[31m␛]52;c;eA==␇\ufffd2Jback␍␡␀ 天气\tend\n\n"
    assert capsys.readouterr().out == (plain if is_terminal else "".join(words) + "\n")


class Typed(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def test_a_message_that_is_refused_does_not_end_a_talk(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor what was said before: in a pipe it does, with exit code 2, as nobody is there to say it otherwise."""
    monkeypatch.setattr(app, "local_engine", lambda: FakeEngine(["fine"], context_length=12))
    lines = f"one\n{'word ' * 20}\ntwo\n"
    monkeypatch.setattr(sys, "stdin", Typed(lines))
    cli(["chat", "--model", model, "--max-new-tokens", "2"], standalone_mode=False)
    said = capsys.readouterr()
    assert said.out.count("fine") == 2
    assert said.err.count("tokens and the model can see 11") == 1
    piped = run("chat", "--model", model, "--max-new-tokens", "2", stdin=lines)
    assert (piped.exit_code, piped.stdout) == (2, "fine\n")


@pytest.mark.parametrize("arguments", [["complete", "caf\udce9"], ["chat", "--system", "caf\udce9"]])
def test_text_that_is_none(model: str, arguments: list[str]) -> None:
    failed = run(*arguments, "--model", model, stdin="Hi\n")
    assert (failed.exit_code, failed.stderr) == (2, "chatdesk: the text is caf?; it must be Unicode text.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("nonsense", "No such command 'nonsense'. See chatdesk --help."),
        ("--bad", "No such option: --bad. See chatdesk --help."),
        ("complete", "Missing argument 'prompt'. See chatdesk complete --help."),
        ("complete a b", "Got unexpected extra argument(s) (b). See chatdesk complete --help."),
        ("complete a --top-k", "Option '--top-k' requires an argument."),
        ("models lst", "No such command 'lst'. Did you mean 'list'? See chatdesk models --help."),
        (
            "bench --device xx",
            "Invalid value for '--device': 'xx' is not one of 'auto', 'cpu', 'cuda', 'mps', 'xpu'."
            " See chatdesk bench --help.",
        ),
    ],
)
def test_a_command_typed_wrong_is_told_in_one_line(
    arguments: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["chatdesk", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, *capsys.readouterr()) == (2, "", f"chatdesk: {sentence}\n")


@pytest.mark.parametrize("arguments", ["--version", "models --help"])
def test_what_was_asked_ends_well(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["chatdesk", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0, capsys.readouterr().err) == (0, "")


ECHO = """
from chatdesk import cli
cli.cli = lambda **_: print(ascii(input()), "天气")
cli.main()
"""


def test_a_mark_in_front_of_piped_text_is_no_text() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", ECHO],
        input=b"\xef\xbb\xbfcaf\xc3\xa9\n",
        capture_output=True,
        env=environment,
        check=True,
    )
    assert done.stdout.decode() == "'caf\\xe9' 天气\n".replace("\n", os.linesep)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_of_another_encoding() -> None:
    """What it cannot show is a question mark, and what is typed wrong a sign for that; neither is a traceback."""
    import pty

    ours, its = pty.openpty()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", ECHO], stdin=its, stdout=its, stderr=its, env=environment)
    os.write(ours, b"caf\xe9\n")
    assert child.wait(60) == 0
    assert b"'caf\\ufffd' ??" in os.read(ours, 1000)
    os.close(ours)
    os.close(its)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is full")
@pytest.mark.parametrize(
    ("arguments", "streams", "code", "words"),
    [
        ("--version", ">/dev/full", 2, "chatdesk: The output cannot be written: No space left on device.\n"),
        ("models list --json", ">/dev/full", 2, "chatdesk: The output cannot be written: No space left on device.\n"),
        ("models list", ">&-", 0, ""),
        ("models list", ">&- <&- 2>&-", 0, ""),
        ("models token", "<&-", 2, "chatdesk: the token is not usable; it must be one word without blanks.\n"),
    ],
)
def test_streams_that_are_full_or_closed(arguments: str, streams: str, code: int, words: str, tmp_path: Path) -> None:
    call = f'exec "$0" -m chatdesk --profile "$1" {arguments} {streams}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-c", call, sys.executable, str(tmp_path)], capture_output=True, env=environment, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, words)


def test_a_name_is_no_markup(tmp_path: Path, model: str) -> None:
    odd = tmp_path / "[red]a[" / ":smile:[b]"
    shutil.copytree(model, odd)
    done = run("complete", "once", "--model", str(odd), "--max-new-tokens", "2")
    assert (done.exit_code, done.stdout != "") == (0, True), done.stderr
    profile = tmp_path / "profile"
    profile.mkdir()
    Settings(profile / "settings.toml")["folders"] = (str(odd),)
    assert str(odd) in run("--profile", str(profile), "models", "list").stdout


def test_a_draft_model_changes_nothing_and_a_wrong_one_is_refused(model: str, tmp_path: Path) -> None:
    args = ("complete", "Once upon a time", "--model", model, "--seed", "1", "--max-new-tokens", "24", "--json")
    plain, drafted = run(*args), run(*args, "--draft-model", model)
    first, second = (json.loads(each.stdout)["drafts"][0]["token_ids"] for each in (plain, drafted))
    assert first == second
    wrong = run(*args, "--draft-model", str(tmp_path / "nothing"))
    assert wrong.exit_code == 2
    assert "nothing" in wrong.stderr
    assert wrong.stderr.count("\n") == 1
