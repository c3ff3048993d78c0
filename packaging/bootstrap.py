"""Set chatdesk up in one command: ``bootstrap.py run`` opens it, ``bootstrap.py test`` runs its tests.

Makes ``.venv`` beside pyproject.toml, installs the pinned packages into it, looks for the system libraries
that Qt needs on Linux, and hands over. The next start skips what is done: a stamp in ``.venv`` says from what
it was installed.

Standard library only. The file must still be readable by Python 3.7, so that an old Python gets a sentence
and not a syntax error. Not a package manager: ``.venv`` belongs to this script, which builds it anew when it
cannot be used.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
GRACE_S = 5.0
VENV_FOLDERS = {"bin", "include", "lib", "lib64", "share", "Scripts", "Include", "Lib"}
CONSTRAINTS = "packaging/constraints.txt"
# The one address named here: PyTorch's own builds, for who asks for another than the package index has.
TORCH_WHEELS = "https://download.pytorch.org/whl/"
TORCH_BUILDS = {"cpu": "cpu", "cuda": "cu130"}

# What the Qt libraries of PySide6-Essentials link to outside the wheel, with Debian's package for each.
QT_LIBRARIES = {
    "gui": {
        "libEGL.so.1": "libegl1",
        "libGL.so.1": "libgl1",
        "libX11.so.6": "libx11-6",
        "libbrotlidec.so.1": "libbrotli1",
        "libdbus-1.so.3": "libdbus-1-3",
        "libfontconfig.so.1": "libfontconfig1",
        "libfreetype.so.6": "libfreetype6",
        "libglib-2.0.so.0": "libglib2.0-0",
        "libgthread-2.0.so.0": "libglib2.0-0",
        "libgssapi_krb5.so.2": "libgssapi-krb5-2",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libzstd.so.1": "libzstd1",
    },
    "xcb": {
        "libX11-xcb.so.1": "libx11-xcb1",
        "libxcb.so.1": "libxcb1",
        "libxcb-cursor.so.0": "libxcb-cursor0",
        "libxcb-glx.so.0": "libxcb-glx0",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-image.so.0": "libxcb-image0",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-randr.so.0": "libxcb-randr0",
        "libxcb-render.so.0": "libxcb-render0",
        "libxcb-render-util.so.0": "libxcb-render-util0",
        "libxcb-shape.so.0": "libxcb-shape0",
        "libxcb-shm.so.0": "libxcb-shm0",
        "libxcb-sync.so.1": "libxcb-sync1",
        "libxcb-util.so.1": "libxcb-util1",
        "libxcb-xfixes.so.0": "libxcb-xfixes0",
        "libxcb-xkb.so.1": "libxcb-xkb1",
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    },
    "wayland": {
        "libwayland-client.so.0": "libwayland-client0",
        "libwayland-cursor.so.0": "libwayland-cursor0",
        "libwayland-egl.so.1": "libwayland-egl1",
    },
}


class SetupError(Exception):
    """The set-up cannot go on; the text is a sentence that says why and what to do."""


class Request(NamedTuple):
    """What the command line asks for; `torch` is None where it does not say."""

    command: str
    torch: str | None
    arguments: list[str]


class Stamp(NamedTuple):
    """From what a venv was installed; kept inside it, so that the next start can compare."""

    place: str
    python: str
    torch: str
    test: bool
    inputs: str


def say(text: str) -> None:
    """One line of progress on stderr."""
    print(f"chatdesk: {text}", file=sys.stderr, flush=True)


def parse(argv: Sequence[str], platform: str) -> Request:
    """Read the command line; what follows ``--`` belongs to the program or to pytest."""
    own, rest = list(argv), []
    if "--" in own:
        at = own.index("--")
        own, rest = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="bootstrap.py",
        description="Set chatdesk up in .venv, then run it or its tests.",
        epilog="Arguments after -- go to the program or to pytest.",
    )
    parser.add_argument("command", choices=["run", "test"], help="open chatdesk, or run its tests")
    parser.add_argument(
        "--torch",
        choices=["default", *TORCH_BUILDS],
        help="the build of torch to install; kept until another one is asked for",
    )
    options = parser.parse_args(own)
    torch = options.torch
    if platform == "darwin" and torch in TORCH_BUILDS:
        say("there is one build of torch for macOS, so --torch changes nothing.")
        torch = None
    return Request(options.command, torch, rest)


def check_python(version: tuple[int, ...], has_module: Callable[[str], bool]) -> None:
    """Refuse a Python that cannot make the venv."""
    found, oldest = (".".join(map(str, part[:2])) for part in (version, OLDEST_PYTHON))
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise SetupError(
            f"this is Python {found} and chatdesk needs {oldest} or newer: "
            f"install one from python.org or your system and start this script with it."
        )
    if not (has_module("venv") and has_module("ensurepip")):
        raise SetupError(
            f"this Python {found} has no venv or ensurepip: install them (Debian, Ubuntu: "
            f"sudo apt-get install python{found}-venv) or use a Python from python.org."
        )


def has_display(env: Mapping[str, str], platform: str) -> bool:
    """Whether a window can be opened: always on macOS and Windows, elsewhere where a display is named."""
    if platform in ("darwin", "win32"):
        return True
    return any(env.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def opens_window(request: Request) -> bool:
    """Whether this start is for the window; a command of the program (``-- chat``) needs none, nor ``-- --version``."""
    rest = request.arguments
    if rest and rest[0].split("=")[0] == "--profile":
        rest = rest[1 if "=" in rest[0] else 2 :]
    return request.command == "run" and not rest


def program(request: Request, display: bool) -> list[str]:
    """Arguments for the venv's Python: the tests, the window, or the terminal chat where no display is."""
    if request.command == "test":
        return ["-m", "pytest", "-n2", "--dist=loadfile", *request.arguments]  # two at a time, a file stays together
    terminal = ["chat"] if opens_window(request) and not display else []
    return ["-P", "-m", "chatdesk", *request.arguments, *terminal]  # no module from the folder one happens to be in


def qt_platforms(request: Request, env: Mapping[str, str], display: bool) -> list[str]:
    """Groups of `QT_LIBRARIES` that this start needs on Linux. The tests import Qt but show nothing."""
    if request.command == "test":
        return ["gui"]
    if not (opens_window(request) and display):
        return []
    named = env.get("QT_QPA_PLATFORM", "")
    xcb = "xcb" in named if named else bool(env.get("DISPLAY"))
    wayland = "wayland" in named if named else bool(env.get("WAYLAND_DISPLAY"))
    return ["gui"] + ["xcb"] * xcb + ["wayland"] * wayland


def missing_libraries(groups: Iterable[str], can_load: Callable[[str], bool]) -> dict[str, str]:
    """Libraries of these groups that the system has not, each with Debian's package."""
    wanted = {name: package for group in groups for name, package in QT_LIBRARIES[group].items()}
    return {name: package for name, package in wanted.items() if not can_load(name)}


def can_load(name: str) -> bool:
    """Whether the dynamic linker finds a shared library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def provide_libraries(missing: Mapping[str, str], apt: bool, root: bool, call: Callable[..., int]) -> None:
    """Install missing libraries where that is allowed, else say how; either way the start goes on."""
    if not apt:
        say(f"the system lacks {', '.join(missing)}; install them if no window opens.")
        return
    packages = sorted(set(missing.values()))
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    by_hand = shlex.join(["sudo", *install[:2], *packages])
    if not root:
        say(f"system libraries are missing; if no window opens: {by_hand}")
        return
    say(f"installing system libraries: {' '.join(packages)}")
    # The package lists of a fresh system are empty or old: then they are fetched, and it is tried once more.
    if call(install, **quiet) and (call(["apt-get", "update"]) or call(install, **quiet)):
        say(f"the system libraries could not be installed; try: {by_hand}")


def large_download(line: str) -> str:
    """What pip says it downloads where that is large enough to wait for (100 MB), else nothing."""
    found = re.match(r"\s*Downloading (\S+ \(\d{3,}(\.\d+)? MB\)|\S+ \([\d.]+ GB\))", line)
    return found.group(1) if found else ""


def end(tool: subprocess.Popen[str]) -> None:
    """Let a tool that was interrupted, too, tidy up; kill one that goes on."""
    try:
        tool.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        tool.kill()


def call(command: Sequence[str], **variables: str) -> int:
    """Run a tool in the checkout without questions; its exit code. All it said is shown when it failed."""
    said = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1", **variables},  # pip is written in Python, too, and names files
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as tool:
        try:
            for line in tool.stdout or ():
                said.append(line)
                if large_download(line):
                    say(f"downloading {large_download(line)}")
            code = tool.wait()
        except KeyboardInterrupt:
            end(tool)
            raise
    if code:
        sys.stderr.writelines(said)
    return code


def venv_python(venv: Path) -> Path:
    """The interpreter of a venv."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def stamp_file(venv: Path) -> Path:
    """Where a venv keeps its stamp."""
    return venv / "chatdesk-install.json"


def read_stamp(venv: Path) -> Stamp | None:
    """The stamp of a finished installation, or None."""
    try:
        return Stamp(**json.loads(stamp_file(venv).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_stamp(venv: Path, stamp: Stamp) -> None:
    """Mark the installation as finished."""
    stamp_file(venv).write_text(json.dumps(stamp._asdict(), indent=1), encoding="utf-8")


def wanted_stamp(request: Request, found: Stamp | None, root: Path, venv: Path) -> Stamp:
    """What this start needs. The build of torch stays as it was where the command line does not name one."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", CONSTRAINTS):
        digest.update((root / name).read_bytes() + b"\0")
    return Stamp(
        place=str(venv),
        python=".".join(map(str, sys.version_info[:2])),
        torch=request.torch or (found.torch if found else "default"),
        test=request.command == "test",
        inputs=digest.hexdigest(),
    )


def next_step(found: Stamp | None, wanted: Stamp, works: bool) -> str:
    """``ready``, ``install`` into the venv that is there, or ``build`` it anew.

    A venv does not survive being moved, another Python, or another build of torch (the old one's packages
    would stay). One without a stamp was interrupted or made by hand: it is installed into, unless a build is
    named.
    """
    if not works:
        return "build"
    if found is None:
        return "install" if wanted.torch == "default" else "build"
    if (found.place, found.python, found.torch) != (wanted.place, wanted.python, wanted.torch):
        return "build"
    if found.inputs != wanted.inputs or (wanted.test and not found.test):
        return "install"
    return "ready"


def venv_works(venv: Path) -> bool:
    """Whether the venv's interpreter starts, is new enough, and has pip."""
    probe = "import importlib.util as u, sys; sys.exit(sys.version_info < {} or u.find_spec('pip') is None)"
    command = [str(venv_python(venv)), "-c", probe.format(OLDEST_PYTHON)]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def may_replace(venv: Path) -> bool:
    """Whether nothing is there but a venv or what an interrupted start left of one. Behind a link it is somebody's."""
    if venv.is_symlink() or not venv.is_dir():
        return not (venv.exists() or venv.is_symlink())
    names = {entry.name for entry in venv.iterdir()}
    return "pyvenv.cfg" in names or names <= VENV_FOLDERS


def build_venv(venv: Path) -> None:
    """Make the venv, in place of an old one."""
    if not may_replace(venv):
        raise SetupError(f"{venv} is in the way and is no virtual environment of its own: move it and start again.")
    if venv == Path(sys.prefix).resolve():
        raise SetupError(f"{venv} must be built anew: start this script with a Python outside of it.")
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    if call([sys.executable, "-m", "venv", "--clear", str(venv)]):
        raise SetupError("the virtual environment could not be made; see above, cure it and start again.")


def pip_command(python: Path, stamp: Stamp) -> list[str]:
    """The call of pip that installs the checkout and its packages."""
    command = [str(python), "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    command += ["--editable", ".[test]" if stamp.test else "."]
    if stamp.torch in TORCH_BUILDS:
        command += ["--extra-index-url", TORCH_WHEELS + TORCH_BUILDS[stamp.torch]]
    return command


def install(venv: Path, stamp: Stamp) -> None:
    """Install everything, then leave the stamp."""
    if stamp_file(venv).exists():
        stamp_file(venv).unlink()
    say("installing the packages; the first time this can take some minutes")
    # Relative, as pip splits these at spaces. Newer versions of pip read the second one for the back end.
    pins = {"PIP_CONSTRAINT": CONSTRAINTS, "PIP_BUILD_CONSTRAINT": CONSTRAINTS}
    options = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}
    if call(pip_command(venv_python(venv), stamp), **pins, **options):
        raise SetupError("pip could not install the packages; see above, cure it and start again.")
    write_stamp(venv, stamp)


def set_up(request: Request, venv: Path) -> None:
    """Bring the venv to what the request needs."""
    found = read_stamp(venv)
    wanted = wanted_stamp(request, found, ROOT, venv)
    step = next_step(found, wanted, venv_works(venv))
    if step == "build":
        build_venv(venv)
    if step != "ready":
        install(venv, wanted)


def hand_over(command: list[str]) -> NoReturn:
    """Become the program, so that its exit code and its signals are those of this process."""
    if os.name == "posix":
        os.execv(command[0], command)
    # Windows cannot replace a process. Ctrl+C reaches both; what it means is the program's decision.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    sys.exit(subprocess.run(command, check=False).returncode)


def start(argv: Sequence[str]) -> NoReturn:
    """Everything in order: check, set up, find libraries, hand over."""
    check_python(sys.version_info[:3], lambda name: importlib.util.find_spec(name) is not None)
    request = parse(argv, sys.platform)
    venv = ROOT / ".venv"
    set_up(request, venv)
    display = has_display(os.environ, sys.platform)
    if sys.platform.startswith("linux"):
        missing = missing_libraries(qt_platforms(request, os.environ, display), can_load)
        if missing:
            provide_libraries(missing, shutil.which("apt-get") is not None, os.geteuid() == 0, call)
    if opens_window(request) and not display:
        say("no display was found, so this is the chat in the terminal.")
    if request.command == "test":
        os.chdir(ROOT)
    hand_over([str(venv_python(venv)), *program(request, display)])


def main(argv: Sequence[str]) -> int:
    """Exit code of what went wrong before the program took over: 2 for the set-up, 130 for Ctrl+C."""
    try:
        start(argv)
    except SetupError as error:
        say(str(error))
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"{where}{error.strerror or error}; cure that and start again.")
        return 2
    except KeyboardInterrupt:
        say("stopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
