"""``chatdesk models search``, ``get`` and ``token``: what is printed where, exit codes, and a stop by Ctrl+C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from chatdesk.cli import cli
from chatdesk.library import snapshots, tokens
from chatdesk.library.partial import STEP
from chatdesk.settings.store import Settings
from tests.engine.checkpoints import make_checkpoint
from tests.library.hub_models import CONFIG, noise, single
from tests.library.hub_server import COMMIT, Handler, Model, Server, serve


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "")
        monkeypatch.setenv("CHATDESK_PROFILE", str(tmp_path / "profile"))
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        files = {path.name: path.read_bytes() for path in make_checkpoint(tmp_path / "made", "llama").iterdir()}
        running.models["owner/tiny"] = Model({**files, "LICENSE": noise(2 * STEP)}, listed=single().listed)
        yield running


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["models", *arguments], input=typed)


def test_search_as_text_and_as_json(server: Server) -> None:
    server.models["owner/tiny-gated"] = Model({}, is_gated=True, listed={"config": CONFIG, "tags": ["license:[red]x"]})
    shown = run("search", "tiny").stdout
    assert shown.splitlines()[0].split() == [
        "name", "architecture", "parameters", "kind", "licence", "downloads", "access",
    ]  # fmt: skip
    assert "owner/tiny-gated" in shown
    assert "[red]x" in shown
    found = json.loads(run("search", "tiny", "--kind", "chat", "--json").stdout)["models"]
    assert [(each["name"], each["licence"]) for each in found] == [("owner/tiny", "apache-2.0")]
    none = run("search", "nothing")
    assert (none.exit_code, "Nothing on 127.0.0.1" in none.stderr) == (0, True)


def test_get_prints_the_folder_alone(server: Server, tmp_path: Path) -> None:
    done = run("download", "owner/tiny")
    assert done.exit_code == 0
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert done.stdout == f"{folder}\n"
    assert "licence: apache-2.0" in done.stderr
    listed = json.loads(run("list", "--json").stdout)["models"]
    assert "owner/tiny" in [each["name"] for each in listed]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("download", "owner/none"), "has no model owner/none"),
        (("download", "owner/tiny", "--revision", "old"), "no revision old"),
        (("download", "no name"), "OWNER/NAME"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(server: Server, arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("proxy", ["socks5://u:secret@127.0.0.1:9", "socks://127.0.0.1:9/", "http://[::1"])
def test_a_proxy_that_cannot_be_used(server: Server, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """One sentence, without the proxy's password. Where another can be used, or none is needed, it harms nothing."""
    for name in ("http_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", proxy)
    failed = run("search", "tiny")
    assert (failed.exit_code, failed.stderr.count("\n")) == (2, 1)
    assert "Name one that speaks HTTP" in failed.stderr
    assert "secret" not in failed.stderr
    monkeypatch.setenv("http_proxy", "127.0.0.1:9")
    assert "cannot be reached: Connection refused" in run("search", "tiny").stderr
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "owner/tiny" in run("search", "tiny").stdout


def test_a_dry_run_lists_and_plans_and_fetches_no_weights(server: Server, tmp_path: Path) -> None:
    done = run("download", "owner/tiny", "--dry-run")
    assert done.exit_code == 0
    assert "model.safetensors" in done.stdout
    assert "keys, values" in done.stdout
    assert not (tmp_path / "cache").exists()
    sizes = {path: len(data) for path, data in server.models["owner/tiny"].files.items()}
    assert all(each.sent <= min(2**18, sizes["model.safetensors"]) for each in server.bodies())


@pytest.mark.parametrize("how", ["setting", "environment"])
def test_offline_asks_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "setting":
        Settings(tmp_path / "profile/settings.toml")["offline"] = True
    else:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for arguments in (("search", "tiny"), ("download", "owner/tiny")):
        done = run(*arguments)
        assert (done.exit_code, "is offline" in done.stderr) == (2, True)
    assert server.asked == []


def test_the_setting_goes_before_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert run("search", "tiny").exit_code == 2
    Settings(tmp_path / "profile/settings.toml")["hub"] = server.url
    assert run("search", "tiny").exit_code == 0


def size_now(path: Path) -> int:
    """0 where it has got its name meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_leaves_it_to_be_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.trickles_after = STEP + 1_000_000
    command = [sys.executable, "-m", "chatdesk", "models", "download", "owner/tiny"]
    parts = snapshots.folder(tmp_path / "cache", "owner/tiny") / "blobs"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as child:
        deadline = time.monotonic() + 20
        while not any(size_now(path) > STEP for path in parts.glob("*.incomplete")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=10)
    assert (child.returncode, stdout) == (130, "")
    assert "The same command goes on where it was." in stderr
    server.trickles_after = 0
    assert run("download", "owner/tiny").exit_code == 0
    licence = [each.headers.get("range") for each in server.asked if each.path.endswith("LICENSE")]
    assert licence == [None, f"bytes={STEP}-"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_before_an_answer_has_begun(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Handler._body

    def body(handler: Handler, data: bytes, *given: Any) -> None:
        if data == server.models["owner/tiny"].files["config.json"]:
            answer(handler, data, *given)
        else:
            handler.hub.is_closing.wait(60)

    monkeypatch.setattr(Handler, "_body", body)
    command = [sys.executable, "-m", "chatdesk", "models", "download", "owner/tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as child:
        deadline = time.monotonic() + 20
        while not any(each.path.endswith("tokenizer.json") for each in server.asked):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=15)
    assert child.returncode == 130
    assert time.monotonic() - begun < 6
    assert "The same command goes on where it was." in stderr


def test_token(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[str, ...]] = []
    monkeypatch.setattr(tokens, "keep", lambda host, token: kept.append((host, token.strip())))
    monkeypatch.setattr(tokens, "forget", lambda host: kept.append((host,)))
    done = run("token", typed="hf_secret\n")
    assert (done.exit_code, run("token", "--remove").exit_code) == (0, 0)
    assert kept == [("127.0.0.1", "hf_secret"), ("127.0.0.1",)]
    assert "hf_secret" not in done.output
    assert server.asked == []
