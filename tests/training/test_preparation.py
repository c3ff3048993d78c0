"""Cleaning shows what it does; a preparation is whole, is not done twice, and refuses what cannot be learned from."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from chatdesk.cli import cli
from chatdesk.errors import Fault, UserError
from chatdesk.training import preparation, readers
from chatdesk.training.cleaning import (
    Cleaner,
    Duplicates,
    NearDuplicates,
    language_of,
    masked,
    normalised,
    repaired,
    without_stop_words,
)
from chatdesk.training.corpus import Turn, read_documents
from chatdesk.training.preparation import Wishes, prepare

WORDS = ["river", "house", "garden", "letter", "winter", "morning", "road", "window", "teacher", "water", "stone"]
GERMAN = "Das ist ein Haus und die Tür ist nicht zu, aber der Hund ist auch im Garten und wartet auf sie."


def story(seed: int, words: int = 120) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(["the", "a", "of", "and", *WORDS, f"word{rng.randrange(500)}"]) for _ in range(words))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Forty stories, one of them twice, one in German, one short."""
    folder = tmp_path / "texts"
    folder.mkdir()
    lines = [{"text": f"{story(n)}\nAll rights reserved by the house."} for n in range(40)]
    lines += [lines[3], {"text": GERMAN}, {"text": "Too short."}]
    lines += [{"question": "Who are you?", "answer": "Write to me@example.org or +49 170 1234567."}]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "b.txt").write_text(story(99) + " sch\u00c3\u00b6n", encoding="utf-8")
    return folder


# -- steps -------------------------------------------------------------------------------------------------------------


def test_text_is_repaired_and_normalised() -> None:
    assert repaired("schÃ¶n “quoted” ﬁn") == "schön “quoted” ﬁn"
    assert repaired("天气（很好），对！") == "天气（很好），对！"
    assert normalised("\ufeffa\u0308 \r\nb\x00\n\n\n\nc  ") == "ä\nb\n\nc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to a.b+c@mail.example.org today", "Write to [e-mail] today"),
        ("call +49 (170) 123-4567 or 0171 2345678", "call [phone] or [phone]"),
        ("(555) 123-4567, 手机13812345678", "[phone], 手机[phone]"),
        ("电话是13812345678，010-62345678也行", "电话是[phone]，[phone]也行"),
        ("我的邮箱是zhang.san@mail.example.com谢谢", "我的邮箱是[e-mail]谢谢"),
        ("订单A13812345678号、138123456789", "订单A13812345678号、138123456789"),
        ("打 13812345678 吧", "打 [phone] 吧"),
        (
            "0 1 2 3 4 5 6 7 8 9, 0.0.2-3.30.0.2.3, 2436204.5 (1 January 1958)",
            "0 1 2 3 4 5 6 7 8 9, 0.0.2-3.30.0.2.3, 2436204.5 (1 January 1958)",
        ),
        ("in 1984, 3.14159 and 2026-11-27 and 1,000,000", "in 1984, 3.14159 and 2026-11-27 and 1,000,000"),
    ],
)
def test_addresses_and_numbers_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_languages() -> None:
    assert language_of(GERMAN) == "de"
    assert language_of("The house is in the garden and it was old.") == "en"
    assert language_of("今天的天气很好，我们去西湖边散步。") == "zh"
    assert language_of("xyzzy plugh") == language_of("12 + 4") == ""
    assert without_stop_words("The house is in the garden and it was old.") == "house garden old."


def test_duplicates_are_left_out_and_the_first_one_stays() -> None:
    exact, near = Duplicates(), NearDuplicates()
    assert [exact(text) is not None for text in ("A b", "a  B", "a c")] == [True, False, True]
    words = story(1, 400).split()
    changed = " ".join([*words[:200], "another", *words[201:]])
    half = " ".join([*words[:200], *story(2, 200).split()])
    assert near(" ".join(words)) is not None
    assert near(changed) is None
    assert near(half) is not None
    assert near("few words") is near("few words") is not None


def test_similarity_is_estimated_as_it_is() -> None:
    """MinHash against the shares of runs of five words, counted out."""
    near = NearDuplicates()
    for kept in (100, 250, 380):
        words, others = story(5, 400).split(), story(6, 400).split()
        mixed = [*words[:kept], *others[kept:]]
        runs = [{tuple(text[i : i + 5]) for i in range(len(text) - 4)} for text in (words, mixed)]
        true = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        one, other = (near.signature(" ".join(text)) for text in (words, mixed))
        assert one is not None
        assert float((one == other).mean()) == pytest.approx(true, abs=0.12)


def test_boilerplate_goes_and_the_text_stays() -> None:
    start, end = (f"*** {word} PROJECT GUTENBERG EBOOK X ***" for word in ("START OF THE", "END OF THIS"))
    book = f"Licence.\n{start}\nIt began.\n{end}\nMore."
    pages = [f"Home | About\n{story(n, 30)}" for n in range(20)]
    cleaner = Cleaner(["boilerplate"])
    cleaner.learn([book, *pages])
    cleaned = list(cleaner.clean([book, *pages]))
    assert cleaned == ["It began.", *(story(n, 30) for n in range(20))]
    assert cleaner.counts[0].changed == 21


# -- a whole preparation -----------------------------------------------------------------------------------------------


def test_every_step_says_what_it_did(texts: Path, tmp_path: Path) -> None:
    steps = ("repair", "boilerplate", "language", "length", "duplicates", "mask")
    folder, report = prepare([texts], tmp_path / "out", Wishes(steps, ("en",), held_out=0.2))
    by_name = {count.step: count for count in report.steps}
    assert list(by_name) == list(steps)
    assert (report.files, report.documents) == (2, 45)
    assert by_name["repair"].changed == 1
    assert by_name["repair"].samples[0].after.endswith("schön")
    assert by_name["boilerplate"].changed == 41
    assert [by_name[name].dropped for name in ("language", "length", "duplicates")] == [1, 1, 1]
    assert by_name["mask"].changed == 1
    kept = [*read_documents(folder / "train.jsonl"), *read_documents(folder / "held-out.jsonl")]
    assert len(kept) == report.train_documents + report.held_out_documents == 42
    assert report.held_out_documents > 0
    assert (Turn("user", "Who are you?"), Turn("assistant", "Write to [e-mail] or [phone].")) in kept
    assert not any("All rights" in text for text in kept if isinstance(text, str))
    assert msgspec.json.decode((folder / "report.json").read_bytes(), type=preparation.Report) == report


def test_the_same_is_not_done_twice_and_another_text_is(texts: Path, tmp_path: Path) -> None:
    told: list[str] = []
    first, report = prepare([texts], tmp_path / "out", Wishes(), lambda stage, *_: told.append(stage))
    assert set(told) == {"reading", "cleaning"}
    told.clear()
    assert prepare([texts], tmp_path / "out", Wishes(), lambda stage, *_: told.append(stage)) == (first, report)
    assert told == []
    assert prepare([texts], tmp_path / "out", Wishes(held_out=0.1))[0] != first
    (texts / "b.txt").write_text("another " * 200)
    assert prepare([texts], tmp_path / "out", Wishes())[0] != first


def test_a_document_is_held_out_whatever_else_there_is(texts: Path, tmp_path: Path) -> None:
    wishes = Wishes((), held_out=0.3)
    alone, _ = prepare([texts / "a.jsonl"], tmp_path / "one", wishes)
    both, _ = prepare([texts], tmp_path / "two", wishes)
    held = [set(read_documents(folder / "held-out.jsonl")) for folder in (alone, both)]
    assert held[0] <= held[1]
    assert not held[1] & set(read_documents(both / "train.jsonl"))


def test_a_tokenizer_is_trained_and_measured(texts: Path, tmp_path: Path) -> None:
    folder, report = prepare([texts], tmp_path / "out", Wishes(vocabulary=400, held_out=0.2))
    assert report.words is not None
    assert report.words.vocabulary == 400
    assert report.words.bytes_per_token > 1.5
    assert report.words.rare
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    _, again = prepare([texts], tmp_path / "out", Wishes(tokenizer=str(tmp_path), held_out=0.2))
    assert again.words == report.words


def test_a_damaged_file_of_a_folder_is_passed_over_and_told(texts: Path, tmp_path: Path) -> None:
    (texts / "broken.pdf").write_bytes(b"no pdf")
    _, report = prepare([texts], tmp_path / "out", Wishes())
    assert report.files == 2
    assert [line.startswith(str(texts / "broken.pdf")) for line in report.skipped] == [True]
    with pytest.raises(UserError) as caught:
        prepare([texts / "broken.pdf"], tmp_path / "out", Wishes())
    assert caught.value.fault is Fault.BROKEN_TEXT


def test_a_full_disk_leaves_nothing_half_done(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preparation, "_line", full)
    with pytest.raises(UserError, match="No space left"):
        prepare([texts], tmp_path / "out", Wishes())
    assert list((tmp_path / "out").iterdir()) == []


def test_a_preparation_that_was_damaged_is_made_again(texts: Path, tmp_path: Path) -> None:
    folder, report = prepare([texts], tmp_path / "out", Wishes())
    whole = (folder / "train.jsonl").read_bytes()
    (folder / "report.json").write_bytes(b"")
    assert prepare([texts], tmp_path / "out", Wishes()) == (folder, report)
    (folder / "train.jsonl").unlink()
    assert prepare([texts], tmp_path / "out", Wishes()) == (folder, report)
    assert (folder / "train.jsonl").read_bytes() == whole


def test_two_at_once_do_not_mix(texts: Path, tmp_path: Path) -> None:
    """While one prepares, another begins and ends with the same; what was killed long ago is taken away."""
    (tmp_path / "out" / "prepared-old.part").mkdir(parents=True)
    (tmp_path / "out" / f"prepared-new.{os.getppid()}.part").mkdir()
    code = (
        "import sys; from pathlib import Path; from chatdesk.training.preparation import Wishes, prepare;"
        "prepare([Path(sys.argv[1])], Path(sys.argv[2]), Wishes())"
    )
    done: list[int] = []

    def tell(stage: str, *_: int) -> None:
        if stage == "cleaning" and not done:
            done.append(subprocess.run([sys.executable, "-c", code, texts, tmp_path / "out"], check=False).returncode)

    folder, report = prepare([texts], tmp_path / "out", Wishes(), tell)
    assert done == [0]
    assert len((folder / "train.jsonl").read_bytes().splitlines()) == report.train_documents
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted([folder.name, f"prepared-new.{os.getppid()}.part"])


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode there")
def test_what_is_used_of_a_damaged_file_is_told_whatever_its_name(texts: Path, tmp_path: Path) -> None:
    line = json.dumps({"text": "One of the documents that stand in front of what is damaged."}) + "\n"
    Path(os.fsdecode(os.fsencode(texts) + b"/odd\xff\x1b]0;x\x07.jsonl")).write_text(line + "{broken\n")
    _, report = prepare([texts], tmp_path / "out", Wishes())
    told = next(each for each in report.skipped if "odd" in each)
    assert told.isprintable()  # on a terminal it would be a command
    assert "line 2" in told
    assert told.endswith("the 1 documents in front of that are used")


def test_a_file_of_a_folder_that_cannot_be_opened_is_passed_over(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, whole = texts / "locked.txt", Path.open
    locked.write_text("secret")

    def opened(path: Path, *how: Any, **more: Any) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return whole(path, *how, **more)

    monkeypatch.setattr(Path, "open", opened)
    _, report = prepare([texts], tmp_path / "out", Wishes())
    assert f"{locked}: [Errno 13] Permission denied" in report.skipped
    with pytest.raises(UserError, match="Permission denied"):
        prepare([locked], tmp_path / "out", Wishes())


@pytest.mark.parametrize("end", ["\n", ". ", "。"])
def test_of_a_single_book_parts_are_held_out(end: str, tmp_path: Path) -> None:
    sentences = [story(number, 30).strip(". \n") for number in range(600)]
    book = tmp_path / "book.txt"
    book.write_text(end.join(sentences), encoding="utf-8")
    folder, report = prepare([book], tmp_path / "out", Wishes((), (), 0.05))
    train, held_out = (list(readers.read(folder / name)) for name in ("train.jsonl", "held-out.jsonl"))
    assert report.is_cut
    assert (len(train), len(held_out)) == (report.train_documents, report.held_out_documents)
    assert 0.02 < report.held_out_bytes / (report.train_bytes + report.held_out_bytes) < 0.12
    found = [sentence for text in (*train, *held_out) for sentence in str(text).strip(end).split(end)]
    assert sorted(sentence.strip() for sentence in found) == sorted(sentences)  # each once, and none is cut
    assert not (folder / "whole.jsonl").exists()
    _, none = prepare([book], tmp_path / "out", Wishes((), (), 0.0))
    assert (none.held_out_documents, none.is_cut) == (0, False)


def test_scraps_are_not_cut(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text(story(1, 400))
    _, report = prepare([tmp_path / "short.txt"], tmp_path / "out", Wishes())
    assert (report.train_documents, report.held_out_documents, report.is_cut) == (1, 0, False)


# -- the command line --------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["prepare", *map(str, arguments)])


def test_the_command_prints_the_folder_and_the_steps(texts: Path, tmp_path: Path) -> None:
    done = run(texts, "--out", tmp_path / "out", "--samples", "--vocabulary", 300)
    assert done.exit_code == 0, done.output
    folder = Path(done.stdout.strip())
    assert (folder / "train.jsonl").is_file()
    assert "near duplicates" in done.stderr
    assert "schön" in done.stderr
    told = json.loads(run(texts, "--out", tmp_path / "out", "--vocabulary", 300, "--json").stdout)
    assert told["folder"] == str(folder)
    assert told["words"]["vocabulary"] == 300


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("empty",), "holds no text to work on"),
        (("line.txt",), "1 documents with 40 bytes are left to train on, and at least 1000 bytes are needed"),
        (("nothing",), "does not exist"),
        (("line.txt", "--step", "polish"), "the step is polish; it must be one of repair"),
        (("line.txt", "--language", "xx"), "the language is xx; it must be one of zh"),
        (("line.txt", "--held-out", "0.9"), "the share held out is 0.9; it must be from 0 to 0.5"),
        (("line.txt", "--vocabulary", "10"), "the vocabulary is 10; it must be from 261"),
        (("a.txt.gz",), "Not a gzipped file"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "line.txt").write_text("A single line of text, and nothing else.\n")
    (tmp_path / "a.txt.gz").write_bytes(b"no archive")
    done = run(tmp_path / arguments[0], *arguments[1:], "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
