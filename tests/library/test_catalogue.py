"""Which checkpoints a person is offered."""

import os
from pathlib import Path
from typing import Any

import pytest

from chatdesk.errors import Fault
from chatdesk.library import catalogue


def test_all_sources_in_order(make: Any, snapshot: Any, tmp_path: Path) -> None:
    snapshot("owner/zebra")
    snapshot("owner/ant")
    snapshot("plain")
    folder = make("opened before")
    entries = catalogue.find(make("starter").path, [folder.path], tmp_path / "hub")
    assert [(entry.name, entry.source) for entry in entries] == [
        ("Starter 104", "box"),
        ("opened before", "folder"),
        ("owner/ant", "cache"),
        ("owner/zebra", "cache"),
        ("plain", "cache"),
    ]
    first = entries[1]
    assert first.path == folder.path
    assert (first.architecture, first.parameters, first.size_bytes, first.dtype) == (
        "GPT2LMHeadModel",
        104,
        416,
        "float32",
    )
    assert (first.context_length, first.has_chat_template, first.fault) == (8, False, None)


def test_what_cannot_be_loaded(make: Any, snapshot: Any, tmp_path: Path) -> None:
    broken = make("broken")
    (broken.path / "model.safetensors").write_bytes(b"")
    (snapshot("owner/broken") / "config.json").unlink()
    entries = catalogue.find(tmp_path / "no starter", iter([broken.path, tmp_path / "gone"]), tmp_path / "hub")
    assert [(entry.name, entry.fault.fault if entry.fault else None) for entry in entries] == [
        ("broken", Fault.BROKEN_SAFETENSORS),
        ("gone", Fault.FILE_NOT_FOUND),
    ]


def test_a_folder_stands_once(make: Any, snapshot: Any, tmp_path: Path) -> None:
    starter, cached = make("starter").path, snapshot("owner/small")
    (tmp_path / "link").symlink_to(starter)
    entries = catalogue.find(starter, [cached, starter, tmp_path / "link", cached], tmp_path / "hub")
    assert [(entry.name, entry.source) for entry in entries] == [("Starter 104", "box"), ("owner/small", "cache")]


def test_the_snapshot_of_main(snapshot: Any, tmp_path: Path, make: Any) -> None:
    old = snapshot("owner/small", "old", main=None)
    new = snapshot("owner/small", "new", main=None)
    os.utime(old, (1, 1))

    def found() -> list[Path]:
        return [entry.path for entry in catalogue.find(tmp_path / "none", [], tmp_path / "hub")]

    assert found() == [new]
    main = old.parent.parent / "refs" / "main"
    main.parent.mkdir()
    main.write_text("old\n")
    assert found() == [old]
    outside = make("outside").path
    for hostile in (str(outside), "../../../../outside", "..", "", "gone", "\0", "x" * 10_000):
        main.write_text(hostile)
        assert found() == [new]


def test_every_version_that_was_asked_for_is_offered(snapshot: Any, tmp_path: Path, make: Any) -> None:
    """Else what was downloaded of a branch could not be loaded. Old snapshots of main, which nobody names, stay out."""
    commit = "c" * 40
    for revision in ("old", "new", "side", commit):
        folder = snapshot("owner/small", revision, main="new")
    refs = folder.parent.parent / "refs"
    (refs / "pr").mkdir()
    (refs / "pr" / "7").write_text("side")
    (refs / commit).write_text(commit)
    (refs / "gone").write_text("gone")
    (refs / "same").write_text("new")
    if hasattr(os, "mkfifo"):
        os.mkfifo(refs / "pipe")
    entries = catalogue.find(tmp_path / "none", [], tmp_path / "hub")
    assert [(entry.name, entry.path.name) for entry in entries] == [
        ("owner/small", "new"),
        ("owner/small@ccccccc", commit),
        ("owner/small@pr/7", "side"),
    ]
    assert catalogue.describe(folder.parent / "old").name == "owner/small@old"


@pytest.mark.parametrize("cache", ["missing", "file"])
def test_no_cache(make: Any, tmp_path: Path, cache: str) -> None:
    (tmp_path / "file").touch()
    assert len(catalogue.find(make("starter").path, [], tmp_path / cache)) == 1


def test_describe(make: Any, snapshot: Any) -> None:
    assert catalogue.describe(make("mine").path).name == "mine"
    assert catalogue.describe(snapshot("owner/small")).source == "cache"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "home/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/xdg", "HF_HOME": "/hf"}, "/hf/hub"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "~/cache"}, "home/cache"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "$HF_HOME/old"}, "/hf/old"),
    ],
)
def test_where_the_cache_is(
    environment: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert catalogue.hub_cache() == tmp_path / expected


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\nlanguage: en\n---\n# A card", "apache-2.0"),
        ("\ufeff---\r\nlicense: 'mit'\r\n---", "mit"),
        ("---\nlicense: other\nlicense_name: llama3.1\n---\n", "llama3.1"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense:\n- mit\n---\n", ""),
        ("---\nlanguage: en\n---\nlicense: mit\n", ""),
        ("license: mit", ""),
        ("", ""),
        ("---\nlicense: \x1b[31mred\n---\n", "?[31mred"),
    ],
)
def test_licence_of_a_card(card: str, licence: str) -> None:
    assert catalogue.licence_of_card(card) == licence


def test_licence_and_size_on_disk(make: Any, snapshot: Any) -> None:
    folder = make("mine")
    assert catalogue.describe(folder.path).licence == ""
    folder.text("LICENSE", "\n\n                 Apache License\n Version 2.0")
    assert catalogue.describe(folder.path).licence == "Apache License"
    card = folder.text("README.md", "---\nlicense: mit\n---\n")
    entry = catalogue.describe(folder.path)
    assert entry.licence == "mit"
    assert entry.disk_bytes == sum(path.stat().st_size for path in folder.path.iterdir())
    card.write_bytes(b"---\nlicense: \xff\n---\n" + bytes(10**6))
    assert catalogue.describe(folder.path).licence == "\ufffd"
    cached = snapshot("owner/small")
    blobs = cached.parent.parent / "blobs"
    assert catalogue.describe(cached).disk_bytes == sum(path.stat().st_size for path in blobs.iterdir())


def test_last_use(make: Any, tmp_path: Path) -> None:
    entries = catalogue.find(make("starter").path, [make("with space").path], tmp_path / "hub")
    uses = catalogue.note_use(["damaged", "nan?", "5 /gone"], str(entries[1].path), 100.0)
    assert [entry.last_used for entry in catalogue.with_uses(entries, uses)] == [None, 100.0]
    uses = catalogue.note_use(uses, str(entries[1].path), 200.4)
    assert [entry.last_used for entry in catalogue.with_uses(entries, uses)] == [None, 200.0]
    assert sum(str(entries[1].path) in line for line in uses) == 1
    for number in range(300):
        uses = catalogue.note_use(uses, f"/models/{number}", number)
    assert len(uses) == 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders there")
def test_a_pipe_in_a_folder_and_a_line_that_names_none_keep_nothing_out(make: Any, tmp_path: Path) -> None:
    folder = make("piped").path
    for name in ("README.md", "LICENSE"):
        os.mkfifo(folder / name)
    entries = catalogue.find(tmp_path / "no starter", [Path("\0"), folder], tmp_path / "hub")
    assert [(entry.name, entry.licence) for entry in entries] == [("piped", "")]
