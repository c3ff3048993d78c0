"""Bring the translations up to date: texts from the sources into resources/locale/*.ts, and those into *.qm.

    python packaging/translate.py

lupdate and lrelease come with PySide6-Essentials. Texts that are new stand in the .ts as unfinished: translate them
there (a text editor or Qt Linguist), and run this again. Texts that are gone from the sources are dropped.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("zh_CN",)


def sources() -> list[Path]:
    """All modules with texts for people: the window's, and those that mark theirs without Qt."""
    package = ROOT / "chatdesk"
    marked = ["errors.py", "remarks.py", "settings/options.py", "storage/transfer/trees.py"]
    marked += [f"tasks/{name}.py" for name in ("classify", "lab_sizes", "lab_text", "speed")]
    return [*(package / name for name in marked), *sorted((package / "ui").rglob("*.py"))]


def update(ts: Path, language: str) -> None:
    """Merge the texts of the sources into ``ts``."""
    options = ["-source-language", "en", "-target-language", language, "-locations", "none", "-no-obsolete"]
    _run("pyside6-lupdate", *options, *map(str, sources()), "-ts", str(ts))


def release(ts: Path, qm: Path) -> None:
    """Compile ``ts``."""
    _run("pyside6-lrelease", "-silent", str(ts), "-qm", str(qm))


def _run(tool: str, *arguments: str) -> None:
    beside = Path(sys.executable).parent / tool
    subprocess.run([str(beside) if beside.exists() else tool, *arguments], check=True)


def main() -> None:
    """Update and compile every language."""
    for language in LANGUAGES:
        ts = ROOT / "resources" / "locale" / f"chatdesk_{language}.ts"
        update(ts, language)
        release(ts, ts.with_suffix(".qm"))


if __name__ == "__main__":
    main()
