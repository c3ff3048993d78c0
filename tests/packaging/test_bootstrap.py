"""The decisions of packaging/bootstrap.py, with an environment made up here: nothing is installed or fetched."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import venv as stdlib_venv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chatdesk import __version__
from chatdesk.cli import cli

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "packaging" / "bootstrap.py"


@pytest.fixture(scope="module")
def boot():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("chatdesk_bootstrap", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def checkout(boot, tmp_path, monkeypatch):
    """A checkout with nothing in it but what the stamp is made from."""
    root = tmp_path.resolve() / "a tree"
    (root / "packaging").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "packaging" / "constraints.txt").write_text("torch==2.13.0\n")
    monkeypatch.setattr(boot, "ROOT", root)
    return root


@pytest.fixture
def steps(boot, monkeypatch):
    """Names of the steps that were taken; none of them does anything."""
    taken = []
    monkeypatch.setattr(boot, "build_venv", lambda _venv: taken.append("build"))
    monkeypatch.setattr(boot, "install", lambda _venv, _stamp: taken.append("install"))
    return taken


def request_for(boot, *argv, platform="linux"):
    return boot.parse(argv, platform)


# The command line


def test_what_follows_the_dashes_goes_through_untouched(boot):
    request = request_for(boot, "test", "--torch", "cpu", "--", "-k", "tree", "--", "-x", "")
    assert request == boot.Request("test", "cpu", ["-k", "tree", "--", "-x", ""])


@pytest.mark.parametrize("argv", [[], ["start"], ["run", "--torch", "rocm"], ["run", "-x"], ["run", "test"]])
def test_a_wrong_command_line_is_refused(boot, argv, capsys):
    with pytest.raises(SystemExit) as left:
        boot.main(argv)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_macos_has_one_build_of_torch(boot, capsys):
    assert request_for(boot, "run", "--torch", "cuda", platform="darwin").torch is None
    assert "macOS" in capsys.readouterr().err
    assert request_for(boot, "run", "--torch", "cuda", platform="win32").torch == "cuda"


# Sentences for a Python that cannot do it


@pytest.mark.parametrize("version", [(3, 7, 16), (3, 10, 13), (2, 7, 18)])
def test_an_old_python_is_refused_with_the_cure(boot, version):
    with pytest.raises(boot.SetupError, match=r"needs 3\.11 or newer: install"):
        boot.check_python(version, lambda _name: True)


@pytest.mark.parametrize("absent", ["venv", "ensurepip"])
def test_a_python_without_venv_is_refused_with_the_cure(boot, absent):
    with pytest.raises(boot.SetupError, match=r"apt-get install python3\.12-venv"):
        boot.check_python((3, 12, 1), lambda name: name != absent)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1), (4, 0, 0)])
def test_a_new_python_is_taken(boot, version):
    assert boot.check_python(version, lambda _name: True) is None


def test_the_set_up_ends_with_one_line_and_code_2(boot, monkeypatch, capsys):
    monkeypatch.setattr(boot.importlib.util, "find_spec", lambda _name: None)
    assert boot.main(["run"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"chatdesk: this Python .*\n", said.err)


def test_ctrl_c_leaves_no_traceback(boot, monkeypatch, capsys):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(boot, "set_up", interrupted)
    assert boot.main(["run"]) == 130
    assert capsys.readouterr().err == "chatdesk: stopped.\n"


def test_an_old_python_could_read_the_file():
    # Python 3.7 is the oldest that knows `from __future__ import annotations`.
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))
    newer = (ast.Match, ast.NamedExpr)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, newer)] == []


# The display


@pytest.mark.parametrize(
    ("platform", "env", "display"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"QT_QPA_PLATFORM": "offscreen"}, True),
        ("freebsd14", {}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_where_a_window_can_be_opened(boot, platform, env, display):
    assert boot.has_display(env, platform) is display


@pytest.mark.parametrize(
    ("argv", "display", "command"),
    [
        (["run"], True, ["-P", "-m", "chatdesk"]),
        (["run"], False, ["-P", "-m", "chatdesk", "chat"]),
        (["run", "--", "--profile", "p"], False, ["-P", "-m", "chatdesk", "--profile", "p", "chat"]),
        (["run", "--", "--profile=p"], False, ["-P", "-m", "chatdesk", "--profile=p", "chat"]),
        (["run", "--", "--profile", "p"], True, ["-P", "-m", "chatdesk", "--profile", "p"]),
        (["run", "--", "--version"], False, ["-P", "-m", "chatdesk", "--version"]),
        (["run", "--", "--profile", "p", "chat"], False, ["-P", "-m", "chatdesk", "--profile", "p", "chat"]),
        (["run", "--", "complete", "Once"], False, ["-P", "-m", "chatdesk", "complete", "Once"]),
        (["test", "--", "-q"], False, ["-m", "pytest", "-n2", "--dist=loadfile", "-q"]),
    ],
)
def test_what_is_started(boot, argv, display, command):
    assert boot.program(request_for(boot, *argv), display) == command


def test_the_terminal_chat_takes_what_the_window_takes(boot):
    command = boot.program(request_for(boot, "run", "--", "--profile", "p"), display=False)
    done = CliRunner().invoke(cli, [*command[command.index("chatdesk") + 1 :], "--help"])
    assert (done.exit_code, "--system" in done.stdout) == (0, True)


def test_no_module_is_taken_from_the_folder_it_is_started_in(boot, tmp_path):
    """A person's random.py, or somebody else's in a folder of downloads."""
    for name in ("random", "typing", "chatdesk"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__file__} was run')")
    command = [sys.executable, *boot.program(request_for(boot, "run", "--", "--version"), display=False)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"chatdesk {__version__}\n"), done.stderr


# System libraries


@pytest.mark.parametrize(
    ("argv", "env", "groups"),
    [
        (["test"], {"DISPLAY": ":0"}, ["gui"]),
        (["run"], {}, []),
        (["run"], {"DISPLAY": ":0"}, ["gui", "xcb"]),
        (["run"], {"WAYLAND_DISPLAY": "w"}, ["gui", "wayland"]),
        (["run"], {"DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}, ["gui", "xcb", "wayland"]),
        (["run"], {"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, ["gui"]),
        (["run"], {"QT_QPA_PLATFORM": "wayland;xcb"}, ["gui", "xcb", "wayland"]),
        (["run", "--", "chat"], {"DISPLAY": ":0"}, []),
    ],
)
def test_only_libraries_of_this_start_are_looked_for(boot, argv, env, groups):
    assert boot.qt_platforms(request_for(boot, *argv), env, boot.has_display(env, "linux")) == groups


def test_missing_libraries_are_named_with_their_packages(boot):
    absent = {"libxcb-cursor.so.0", "libEGL.so.1", "libwayland-egl.so.1"}
    missing = boot.missing_libraries(["gui", "xcb"], lambda name: name not in absent)
    assert missing == {"libEGL.so.1": "libegl1", "libxcb-cursor.so.0": "libxcb-cursor0"}


def test_a_library_that_does_not_exist_is_not_loaded(boot):
    assert boot.can_load("libchatdesk-has-no-such-library.so.0") is False


class Apt:
    """Stands for apt-get: answers with these exit codes and remembers what it was asked."""

    def __init__(self, *codes):
        self.codes = list(codes)
        self.asked = []

    def __call__(self, command, **_variables):
        self.asked.append(command[1])
        return self.codes.pop(0)


MISSING = {"libgthread-2.0.so.0": "libglib2.0-0", "libglib-2.0.so.0": "libglib2.0-0", "libEGL.so.1": "libegl1"}


@pytest.mark.parametrize(
    ("codes", "asked", "gives_up"),
    [
        ([0], ["install"], False),
        ([100, 0, 0], ["install", "update", "install"], False),
        ([100, 0, 100], ["install", "update", "install"], True),
        ([100, 100], ["install", "update"], True),
    ],
)
def test_root_installs_what_is_missing(boot, capsys, codes, asked, gives_up):
    apt = Apt(*codes)
    boot.provide_libraries(MISSING, apt=True, root=True, call=apt)
    assert apt.asked == asked
    assert ("try: sudo apt-get install libegl1 libglib2.0-0" in capsys.readouterr().err) is gives_up


def test_others_are_shown_the_one_command(boot, capsys):
    apt = Apt()
    boot.provide_libraries(MISSING, apt=True, root=False, call=apt)
    said = capsys.readouterr().err
    assert apt.asked == []
    assert said.endswith("sudo apt-get install libegl1 libglib2.0-0\n")
    assert said.count("\n") == 1


def test_without_apt_the_libraries_are_named(boot, capsys):
    boot.provide_libraries(MISSING, apt=False, root=True, call=Apt())
    assert "libEGL.so.1" in capsys.readouterr().err


# The stamp


def set_up(boot, checkout, *argv, works=True, monkeypatch):
    monkeypatch.setattr(boot, "venv_works", lambda _venv: works)
    boot.set_up(request_for(boot, *argv), checkout / ".venv")


def finished(boot, checkout, *argv):
    """Leave the stamp that an installation for this command line leaves."""
    folder = checkout / ".venv"
    folder.mkdir(exist_ok=True)
    stamp = boot.wanted_stamp(request_for(boot, *argv), None, checkout, folder)
    boot.write_stamp(folder, stamp)
    return stamp


@pytest.mark.parametrize(
    ("before", "now", "taken"),
    [
        (["run"], ["run"], []),
        (["test"], ["test"], []),
        (["test"], ["run"], []),
        (["run"], ["test"], ["install"]),
        (["run", "--torch", "cpu"], ["run"], []),
        (["run", "--torch", "cpu"], ["test"], ["install"]),
        (["run", "--torch", "cpu"], ["run", "--torch", "default"], ["build", "install"]),
        (["run"], ["run", "--torch", "cuda"], ["build", "install"]),
    ],
)
def test_the_next_start_does_what_is_new(boot, checkout, steps, monkeypatch, before, now, taken):
    finished(boot, checkout, *before)
    set_up(boot, checkout, *now, monkeypatch=monkeypatch)
    assert steps == taken


@pytest.mark.parametrize("name", ["pyproject.toml", "packaging/constraints.txt"])
def test_a_changed_file_installs_again(boot, checkout, steps, monkeypatch, name):
    finished(boot, checkout, "test")
    with (checkout / name).open("a") as file:
        file.write("# more\n")
    set_up(boot, checkout, "test", monkeypatch=monkeypatch)
    assert steps == ["install"]


@pytest.mark.parametrize(("field", "value"), [("place", "elsewhere"), ("python", "3.99")])
def test_a_moved_venv_or_another_python_is_built_anew(boot, checkout, steps, monkeypatch, field, value):
    stamp = finished(boot, checkout, "test")
    boot.write_stamp(checkout / ".venv", stamp._replace(**{field: value}))
    set_up(boot, checkout, "test", monkeypatch=monkeypatch)
    assert steps == ["build", "install"]


def test_a_broken_venv_is_built_anew_as_it_was(boot, checkout, monkeypatch):
    finished(boot, checkout, "run", "--torch", "cpu")
    installed = []
    monkeypatch.setattr(boot, "build_venv", lambda _venv: installed.append("build"))
    monkeypatch.setattr(boot, "install", lambda _venv, stamp: installed.append(stamp.torch))
    set_up(boot, checkout, "run", works=False, monkeypatch=monkeypatch)
    assert installed == ["build", "cpu"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"place": 1, "colour": 2}', "null"])
def test_a_damaged_stamp_counts_as_none(boot, checkout, steps, monkeypatch, content):
    finished(boot, checkout, "run")
    boot.stamp_file(checkout / ".venv").write_text(content)
    set_up(boot, checkout, "run", monkeypatch=monkeypatch)
    assert steps == ["install"]


def test_a_venv_without_a_stamp_is_rebuilt_only_for_a_named_torch(boot, checkout, steps, monkeypatch):
    (checkout / ".venv").mkdir()
    set_up(boot, checkout, "run", monkeypatch=monkeypatch)
    assert steps == ["install"]
    set_up(boot, checkout, "run", "--torch", "cpu", monkeypatch=monkeypatch)
    assert steps == ["install", "build", "install"]


@pytest.mark.parametrize("end", [1, KeyboardInterrupt])
def test_an_installation_that_did_not_end_leaves_no_stamp(boot, checkout, monkeypatch, end):
    stamp = finished(boot, checkout, "run")

    def pip(_command, **_variables):
        assert boot.read_stamp(checkout / ".venv") is None
        if end is KeyboardInterrupt:
            raise KeyboardInterrupt
        return end

    monkeypatch.setattr(boot, "call", pip)
    with pytest.raises(KeyboardInterrupt if end is KeyboardInterrupt else boot.SetupError):
        boot.install(checkout / ".venv", stamp)
    assert boot.read_stamp(checkout / ".venv") is None


def test_an_installation_that_ended_leaves_its_stamp(boot, checkout, monkeypatch):
    stamp = finished(boot, checkout, "test")
    seen = {}
    monkeypatch.setattr(boot, "call", lambda command, **env: seen.update(env, command=command) or 0)
    boot.install(checkout / ".venv", stamp)
    assert boot.read_stamp(checkout / ".venv") == stamp
    assert seen["command"][-2:] == ["--editable", ".[test]"]
    assert seen["PIP_CONSTRAINT"] == seen["PIP_BUILD_CONSTRAINT"] == "packaging/constraints.txt"
    assert json.loads(boot.stamp_file(checkout / ".venv").read_text())["place"] == str(checkout / ".venv")


# pip and the venv


def test_only_a_named_build_of_torch_brings_an_address(boot, checkout):
    stamp = finished(boot, checkout, "run")
    assert not any("//" in part for part in boot.pip_command(Path("python"), stamp))
    for build in boot.TORCH_BUILDS:
        command = boot.pip_command(Path("python"), stamp._replace(torch=build))
        assert command[-2] == "--extra-index-url"
        assert command[-1].startswith("https://download.pytorch.org/whl/")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  Downloading torch-2.13.0-cp311.whl (888.1 MB)\n", "torch-2.13.0-cp311.whl (888.1 MB)"),
        ("Downloading nvidia_cublas.whl (1.2 GB)\n", "nvidia_cublas.whl (1.2 GB)"),
        ("Downloading numpy-2.4.6.whl (16.9 MB)\n", ""),
        ("Downloading idna-3.20.whl (900 kB)\n", ""),
        ("Installing collected packages: torch (888.1 MB)\n", ""),
    ],
)
def test_large_downloads_are_shown(boot, line, shown):
    assert boot.large_download(line) == shown


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.usefixtures("checkout")
def test_a_tool_is_heard_only_when_it_fails(boot, capsys, code):
    script = f"import os, sys; print('Collecting x'); print(os.environ['WHY'], file=sys.stderr); sys.exit({code})"
    assert boot.call([sys.executable, "-c", script], WHY="ERROR: why") == code
    said = capsys.readouterr()
    assert said.out == ""
    assert sorted(said.err.splitlines()) == (["Collecting x", "ERROR: why"] if code else [])


@pytest.mark.usefixtures("checkout")
def test_a_tool_names_files_whatever_the_locale(boot, monkeypatch, capsys):
    for name, value in (("LC_ALL", "POSIX"), ("PYTHONCOERCECLOCALE", "0"), ("PYTHONUTF8", "0")):
        monkeypatch.setenv(name, value)
    assert boot.call([sys.executable, "-c", "print('路径'); raise SystemExit(3)"]) == 3
    assert capsys.readouterr().err == "路径\n"


@pytest.mark.usefixtures("checkout")
def test_ctrl_c_ends_the_tool(boot, monkeypatch):
    tools = []

    class Tool(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            tools.append(self)

    def interrupted(_line):
        raise KeyboardInterrupt

    monkeypatch.setattr(boot.subprocess, "Popen", Tool)
    monkeypatch.setattr(boot, "large_download", interrupted)
    monkeypatch.setattr(boot, "GRACE_S", 0.1)
    with pytest.raises(KeyboardInterrupt):
        boot.call([sys.executable, "-uc", "import time; print('Collecting x'); time.sleep(600)"])
    assert tools[0].wait(timeout=60) != 0


def test_a_folder_that_is_no_venv_is_not_replaced(boot, tmp_path):
    folder = tmp_path / ".venv"
    assert boot.may_replace(folder)
    (folder / "lib").mkdir(parents=True)
    assert boot.may_replace(folder)
    (folder / "letters.txt").write_text("dear")
    assert not boot.may_replace(folder)
    with pytest.raises(boot.SetupError, match="in the way"):
        boot.build_venv(folder)
    assert (folder / "letters.txt").read_text() == "dear"
    (folder / "pyvenv.cfg").write_text("home = x\n")
    assert boot.may_replace(folder)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("is_there", [True, False])
def test_an_environment_behind_a_link_is_not_emptied(boot, tmp_path, is_there):
    """venv empties what a link leads to, and then refuses to go on."""
    other, link = tmp_path / "other", tmp_path / ".venv"
    link.symlink_to(other)
    if is_there:
        stdlib_venv.create(other)
    with pytest.raises(boot.SetupError, match="in the way"):
        boot.build_venv(link)
    assert (other / "pyvenv.cfg").exists() == is_there


def test_a_venv_does_not_saw_off_its_own_branch(boot, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path.resolve()))
    with pytest.raises(boot.SetupError, match="outside"):
        boot.build_venv(tmp_path.resolve())


def test_only_a_venv_that_starts_and_has_pip_works(boot, tmp_path):
    assert not boot.venv_works(tmp_path)
    stdlib_venv.create(tmp_path, with_pip=False)
    assert not boot.venv_works(tmp_path)
    assert boot.venv_works(Path(sys.prefix)) is (importlib.util.find_spec("pip") is not None)


@pytest.mark.parametrize("name", [".venv/chatdesk-install.json", "pyproject.toml"])
def test_what_the_disk_refuses_is_one_line(boot, checkout, monkeypatch, capsys, name):
    """A folder in the place of a file, as good as a full or a read-only disk."""
    place = checkout / name
    place.unlink(missing_ok=True)
    place.mkdir(parents=True)
    monkeypatch.setattr(boot, "venv_works", lambda _venv: True)
    monkeypatch.setattr(boot, "call", lambda _command, **_env: 0)
    assert boot.main(["run"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if str(place) in line and "start again" in line] == said[-1:]


# Handing over


@pytest.mark.parametrize("code", [0, 1, 5])
def test_the_exit_code_is_that_of_the_program(code):
    script = (
        "import importlib.util as u, sys\n"
        "s = u.spec_from_file_location('b', sys.argv[1]); b = u.module_from_spec(s); sys.modules['b'] = b\n"
        "s.loader.exec_module(b)\n"
        "b.hand_over([sys.executable, '-c', 'import sys; sys.exit(' + sys.argv[2] + ')'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(SCRIPT), str(code)], check=False)
    assert done.returncode == code


def test_no_display_is_said_in_one_line_before_the_terminal_chat(boot, checkout, monkeypatch, capsys):
    started = []
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(boot, "set_up", lambda _request, _venv: None)
    monkeypatch.setattr(boot, "hand_over", started.append)
    boot.start(["run"])
    assert started[0][1:] == ["-P", "-m", "chatdesk", "chat"]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "chatdesk: no display was found, so this is the chat in the terminal.\n")
