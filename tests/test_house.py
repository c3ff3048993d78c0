"""The rules of the house: style, types, the direction of imports, short files, what a release holds."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CODE_FOLDERS = ["chatdesk", "tests", "packaging"]
LONGEST_FILE = 500
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".xml", ".desktop", ".ts", ".svg"}


def check(*command: str) -> None:
    """Run a tool in the root of the checkout; its output is the reason when it fails."""
    env = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def files(*folders: str) -> Iterator[Path]:
    """Our files under these folders of the checkout."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def texts() -> Iterator[Path]:
    """Files people wrote: code, documents and configuration, not the weights and vocabulary of the model."""
    for path in [*ROOT.glob("*.*"), *files(*CODE_FOLDERS, "resources", ".ci")]:
        if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.parent.name == ".ci"):
            yield path


def test_ruff_finds_nothing():
    check(sys.executable, "-m", "ruff", "check")


@pytest.mark.timeout(600)  # without a cache it reads torch's types, too
def test_types_are_right():
    check(sys.executable, "-m", "mypy")
    check(sys.executable, "-m", "mypy", "--strict", "packaging/bootstrap.py")


def test_imports_point_one_way():
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert tool, "import-linter is not installed beside this Python"
    check(tool)


def test_no_file_is_too_long():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in files(*CODE_FOLDERS)
        if path.suffix in TEXT_SUFFIXES
    }
    assert "tests/test_house.py" in lengths
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_changelog_knows_this_version():
    headings = re.findall(r"^## .*", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    version = PYPROJECT["project"]["version"]
    assert any("unreleased" in heading.lower() or version in heading for heading in headings), headings


def test_what_the_wheel_ships_is_there():
    shipped = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert shipped
    for source in shipped:
        # A folder that holds nothing would be missing from a checkout.
        assert any(path.is_file() for path in (ROOT / source).rglob("*")), f"{source} is missing or empty"
    for name in (PYPROJECT["project"]["readme"], *PYPROJECT["project"]["license-files"]):
        assert (ROOT / name).stat().st_size > 0, name


def test_every_dependency_is_pinned():
    pins = (ROOT / "packaging/constraints.txt").read_text(encoding="utf-8")
    pinned = {normal(name) for name in re.findall(r"^([\w.-]+)==[\w.]+$", pins, re.MULTILINE)}
    project = PYPROJECT["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    asked += PYPROJECT["build-system"]["requires"]
    names = {normal(re.match(r"[\w.-]+", requirement).group()) for requirement in asked}
    assert names - pinned == set()


def normal(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_text_names_a_place_on_somebodys_machine():
    private = re.compile(r"(?<![\w.~/-])/(?:home|Users|root|work)/\w|\b[A-Z]:\\Users\\\w")
    named = [
        f"{path.relative_to(ROOT).as_posix()}: {found.group()}"
        for path in texts()
        for found in private.finditer(path.read_text(encoding="utf-8"))
    ]
    assert named == []
