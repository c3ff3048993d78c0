"""Classifying: the arithmetic beside a plain reference, files that are good and bad, work that is resumed."""

import csv
import json
import math
import random
from pathlib import Path

import msgspec
import pytest

from chatdesk.engine.api import ChoiceScores, Load, Scored
from chatdesk.engine.fake import FakeEngine
from chatdesk.errors import Fault, UserError
from chatdesk.tasks import classify_files
from chatdesk.tasks.classify import CONTENT_FREE, SETS, Label, Plan, Result, prior, report, result
from chatdesk.tasks.classify_run import Run

PLAN = SETS["sentiment"][1]
THREE = SETS["sentiment3"][1]


def fault_of(work: object) -> Fault:
    with pytest.raises(UserError) as raised:
        work()  # type: ignore[operator]
    assert "{" not in str(raised.value).replace("{text}", "")
    return raised.value.fault


# -- the arithmetic ----------------------------------------------------------------------------------------------------


def plainly(plan: Plan, score: ChoiceScores, free: list[ChoiceScores]) -> list[float]:
    """The probabilities as the method is written down, in powers instead of logarithms."""

    def shares(each: ChoiceScores) -> list[float]:
        found = zip(each.logprobs, each.tokens, strict=True)
        weights = [math.exp(logprob) ** (1 / size if plan.by_length else 1) for logprob, size in found]
        return [weight / sum(weights) for weight in weights]

    own = shares(score)
    if plan.calibrated:
        before = [shares(each) for each in free]
        own = [p / (sum(row[i] for row in before) / len(free)) for i, p in enumerate(own)]
    return [p / sum(own) for p in own]


@pytest.mark.parametrize("by_length", [True, False])
@pytest.mark.parametrize("calibrated", [True, False])
def test_probabilities_are_those_of_the_method(by_length: bool, calibrated: bool) -> None:
    rng = random.Random(5)
    plan = Plan(THREE.prompt, THREE.labels, by_length, calibrated)

    def score() -> ChoiceScores:
        return ChoiceScores(tuple(-rng.uniform(0.01, 40) for _ in range(3)), tuple(rng.randint(1, 4) for _ in range(3)))

    free = [score() for _ in CONTENT_FREE]
    before = prior(plan, free)
    for _ in range(50):
        each = score()
        found = result(plan, each, before).probabilities
        assert found == pytest.approx(plainly(plan, each, free), rel=1e-9)
        assert math.fsum(found) == pytest.approx(1)


def test_probabilities_too_small_for_a_float_are_compared_nevertheless() -> None:
    found = result(Plan("{text}", PLAN.labels, False, False), ChoiceScores((-2000.0, -2001.0), (9, 9)), (0.5, 0.5))
    assert found.probabilities == pytest.approx((1 / (1 + math.exp(-1)), 1 / (1 + math.e)))


def test_a_text_without_room_says_so() -> None:
    assert result(PLAN, ChoiceScores((), (), 900), (0.5, 0.5)) == Result((), "too_long", 900)


def test_a_wording_follows_its_prompt_as_it_is_written() -> None:
    def continuation(prompt: str, wording: str) -> str:
        return Plan(prompt, (Label("a", wording), Label("b", "x"))).choices("t {text}").continuations[0]

    assert continuation("{text} is:", "good") == " good"
    assert continuation("{text} is: ", "good") == continuation("{text}\n", "good") == "good"
    assert continuation("{text}是", "好的") == "好的"
    assert continuation("{text}:", "!") == "!"
    assert continuation("Отзыв {text} —", "хорошо") == " хорошо"
    assert continuation("{text}, été", "élevé") == " élevé"
    assert continuation("{text}:", "좋아요") == " 좋아요"
    assert continuation("{text}:", "好的") == continuation("{text}：", "好的") == "好的"
    assert continuation("{text} (", "good") == continuation("{text} “", "good") == "good"
    assert Plan("<{text}>", PLAN.labels).choices("a {text} b").prompt == "<a {text} b>"


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        (Plan("no mark", PLAN.labels), Fault.NO_TEXT_MARK),
        (Plan("{text}", (Label("a", "x"), Label("b", " "))), Fault.LABEL_EMPTY),
        (Plan("{text}", (Label("", "x"), Label("b", "y"))), Fault.LABEL_EMPTY),
        (Plan("{text}", (Label("a", "x"),)), Fault.LABELS_TOO_FEW),
        (Plan("{text}", (Label("a", "x"), Label("b", "x "))), Fault.LABEL_TWICE),
        (Plan("{text}", (Label("a", "x"), Label("a", "y"))), Fault.LABEL_TWICE),
    ],
)
def test_labels_that_mean_nothing_are_refused(plan: Plan, fault: Fault) -> None:
    assert fault_of(plan.check) == fault
    assert fault_of(lambda: Run(plan, ["text"], "m")) == fault


def test_the_ready_sets_are_sound() -> None:
    for name, plan in SETS.values():
        plan.check()
        assert name


def test_a_report_counts_what_can_be_counted() -> None:
    results = [
        Result((0.9, 0.1)),
        Result((0.2, 0.8)),
        Result((0.3, 0.7)),
        Result((), "empty"),
        None,
        Result((1.0, 0.0)),
    ]
    truths = ["positive", "positive", "negative", "negative", "positive", "odd"]
    found = report(PLAN, results, truths)
    assert found.confusion == ((1, 1), (0, 1))
    assert (found.counted, found.uncounted) == (3, 3)
    assert report(PLAN, results, [truth.upper() for truth in truths]) == found
    letters = Plan("{text}", (Label("a", "x"), Label("A", "y")))
    assert report(letters, results[:2], ["a", "A"]).confusion == ((1, 0), (0, 1))
    assert (found.accuracy, found.commonest) == pytest.approx((2 / 3, 2 / 3))


# -- files -------------------------------------------------------------------------------------------------------------


def test_tables_are_read(tmp_path: Path) -> None:
    csv_file, lines, plain = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.txt"
    csv_file.write_bytes('\ufefftext;label\r\n"one; two\r\nlines ""here""";positive\r\n三;\r\n'.encode())
    lines.write_text('{"text": "one", "label": 1}\n\n{"text": "two", "more": null}\n', "utf-8")
    plain.write_text("first\n\nsecond\n", "utf-8")
    table = classify_files.read(csv_file)
    assert table.columns == ("text", "label")
    assert table.rows == (('one; two\r\nlines "here"', "positive"), ("三", ""))
    assert classify_files.read(lines).rows == (("one", "1", ""), ("two", "", ""))
    assert classify_files.read(plain).rows == (("first",), ("second",))
    assert (table.text_column(), table.label_column()) == ("text", "label")
    assert classify_files.read(plain).label_column() == ""


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("a.csv", b'text,label\n"open,positive\n', Fault.TABLE_BROKEN),
        ("a.csv", b'text,label\n"a"b,positive\n', Fault.TABLE_BROKEN),
        ("a.csv", b"text,label\na, b,positive\n", Fault.TABLE_BROKEN),
        ("a.csv", b"text,label\n", Fault.NO_TEXT),
        ("a.csv", b"", Fault.NO_TEXT),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', Fault.TABLE_BROKEN),
        ("a.jsonl", b"[1]\n", Fault.TABLE_BROKEN),
        ("a.jsonl", b'{"text": ' + b"[" * 100_000 + b"\n", Fault.TABLE_BROKEN),
        ("a.txt", b"MZ\x90\x00\x03\x00\x00\x00\x04\xff\xff\x00", Fault.TABLE_NOT_TEXT),
        ("a.txt", b"caf\xe9 and more", Fault.TABLE_NOT_TEXT),
    ],
)
def test_a_bad_file_is_one_clear_sentence(tmp_path: Path, name: str, data: bytes, fault: Fault) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    assert fault_of(lambda: classify_files.read(file)) == fault
    assert file.read_bytes() == data


def test_the_line_of_a_broken_quotation_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('text,label\nfine,positive\nbad "quote,positive\n"bad "quote",negative\nfine,negative\n')
    with pytest.raises(UserError, match="from line 4 on"):
        classify_files.read(file)


def test_files_that_are_not_there_or_too_large(tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(200_000_000)
    assert fault_of(lambda: classify_files.read(large)) == Fault.TABLE_TOO_LARGE
    assert fault_of(lambda: classify_files.read(tmp_path / "none.csv")) == Fault.FILE_NOT_FOUND
    assert fault_of(lambda: classify_files.read(tmp_path)) == Fault.FILE_NOT_FOUND


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("review,stars\ngood,5\n")
    table = classify_files.read(file)
    for work in (table.text_column, lambda: table.text_column("body"), lambda: table.label_column("truth")):
        with pytest.raises(UserError, match="review, stars") as raised:
            work()
        assert raised.value.fault == Fault.TABLE_NO_COLUMN


def test_results_are_written_behind_the_columns(tmp_path: Path) -> None:
    table = classify_files.Table(("text", "predicted"), (("a, b", "x"), ("", "y"), ("z", "")))
    results = [Result((0.25, 0.75)), Result((), "empty"), None]
    classify_files.written(tmp_path / "out.csv", table, PLAN, results)
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbftext,")  # or Excel shows Chinese as garbage
    assert classify_files.read(tmp_path / "out.csv").columns[0] == "text"
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["text", "predicted", "predicted_", "p(positive)", "p(negative)", "problem"]
    assert rows[1:] == [
        ["a, b", "x", "negative", "0.25", "0.75", ""],
        ["", "y", "", "", "", "empty"],
        ["z", "", "", "", "", "not done"],
    ]
    classify_files.written(tmp_path / "out.jsonl", table, PLAN, results)
    first = json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[0])
    assert first["probabilities"] == {"positive": 0.25, "negative": 0.75}
    assert (first["predicted"], first["predicted_"]) == ("x", "negative")  # the person's own stays
    assert (
        fault_of(lambda: classify_files.written(tmp_path / "no" / "out.csv", table, PLAN, results))
        == Fault.CANNOT_WRITE
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.jsonl"]


def test_two_columns_of_one_name_are_both_written(tmp_path: Path) -> None:
    table = classify_files.Table(("text", "note", "note"), (("a", "1", "2"),))
    classify_files.written(tmp_path / "out.jsonl", table, PLAN, [Result((0.25, 0.75))])
    row = json.loads((tmp_path / "out.jsonl").read_text("utf-8"))
    assert (row["note"], row["note_"]) == ("1", "2")


def test_half_a_character_is_no_text_and_hinders_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "half \\ud83d", "\\udc00": ["\\ud83d"]}\n')
    table = classify_files.read(tmp_path / "in.jsonl")
    assert table == classify_files.Table(("text", "\ufffd"), (("half \ufffd", '["\ufffd"]'),))
    plan = msgspec.structs.replace(PLAN, labels=(Label("half \ud83d", "a"), Label("b", "b")))  # typed, too
    for name in ("out.csv", "out.jsonl"):
        classify_files.written(tmp_path / name, table, plan, [Result((0.75, 0.25))])
        assert "half \ufffd" in (tmp_path / name).read_text("utf-8")


# -- a run -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine(context_length=64)
    list(engine.run(Load(1, "fake:m")))
    return engine


def steps(engine: FakeEngine, run: Run, most: int = 10**6) -> int:
    """Work on; how many requests it took."""
    count = 0
    while not run.is_over and count < most:
        *_, last = engine.run(run.next_request(count + 2))
        assert isinstance(last, Scored)
        run.take(last)
        run.write()
        count += 1
    return count


def many(count: int) -> list[str]:
    rng = random.Random(2)
    return [" ".join(rng.choices(["good", "bad", "word", "天气"], k=rng.randint(1, 30))) for _ in range(count)]


def test_a_run_has_a_result_for_each_text_in_its_place(engine: FakeEngine) -> None:
    texts = [*many(100), "  ", "word " * 100]
    run = Run(THREE, texts, "m")
    assert steps(engine, run) == 3
    alone = [Run(THREE, [text], "m") for text in texts]
    for each, found in zip(alone, run.results, strict=True):
        steps(engine, each)
        assert each.results == [found]
    assert [found.problem for found in run.results[-2:] if found] == ["empty", "too_long"]
    assert run.done == len(texts)


@pytest.mark.parametrize("cut", [0, 1, 7, 40])
def test_what_was_done_is_not_done_again(engine: FakeEngine, tmp_path: Path, cut: int) -> None:
    texts = many(300)
    first = Run(PLAN, texts, "m", folder=tmp_path)
    steps(engine, first, 3)
    (journal,) = tmp_path.glob("*.jsonl")
    journal.write_bytes(journal.read_bytes()[: -cut or None])  # a kill in the middle of a line
    again = Run(PLAN, texts, "m", folder=tmp_path)
    lost = first.done - again.done
    assert again.resumed == again.done == 128 - lost
    assert lost <= (1 if cut else 0)
    steps(engine, again)
    whole = Run(PLAN, texts, "m")
    steps(engine, whole)
    assert again.results == whole.results
    assert Run(PLAN, texts, "m", folder=tmp_path).is_over


def test_other_texts_labels_or_models_have_journals_of_their_own(engine: FakeEngine, tmp_path: Path) -> None:
    steps(engine, Run(PLAN, ["good"], "m", folder=tmp_path))
    others = [
        Run(PLAN, ["good "], "m", folder=tmp_path),
        Run(PLAN, ["good"], "n", folder=tmp_path),
        Run(PLAN, ["good"], "m", adapter="a", folder=tmp_path),
        Run(Plan(PLAN.prompt, PLAN.labels, by_length=False), ["good"], "m", folder=tmp_path),
    ]
    assert [run.done for run in others] == [0, 0, 0, 0]
    assert Run(PLAN, ["good"], "m", folder=tmp_path).done == 1


def test_weights_that_have_changed_begin_anew(engine: FakeEngine, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(b"old")
    model = f"{checkpoint}|float32"
    steps(engine, Run(PLAN, ["good"], model, folder=tmp_path))
    assert Run(PLAN, ["good"], model, folder=tmp_path).done == 1
    weights.write_bytes(b"trained further")
    assert Run(PLAN, ["good"], model, folder=tmp_path).done == 0


def test_a_journal_of_rubbish_is_as_none(engine: FakeEngine, tmp_path: Path) -> None:
    steps(engine, Run(PLAN, ["good"], "m", folder=tmp_path))
    (journal,) = tmp_path.glob("*.jsonl")
    journal.write_bytes(b'\xff\x00\n{"row": 99, "result": {"probabilities": [1, 0]}}\n{"row": 0, "result": {}}\n[]\n')
    run = Run(PLAN, ["good"], "m", folder=tmp_path)
    assert run.done == 0
    steps(engine, run)
    assert run.done == 1


def test_old_journals_are_removed(engine: FakeEngine, tmp_path: Path) -> None:
    for n in range(25):
        run = Run(PLAN, [f"text {n}"], "m", folder=tmp_path)
        steps(engine, run)
    assert len(list(tmp_path.iterdir())) == 20


def test_a_journal_that_cannot_be_written_is_said(engine: FakeEngine, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert fault_of(lambda: steps(engine, Run(PLAN, ["good"], "m", folder=blocked))) == Fault.CANNOT_WRITE
