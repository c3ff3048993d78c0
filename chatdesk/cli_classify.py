"""``chatdesk classify``: sort texts by labels, by what a model finds likely to follow them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from chatdesk.cli_engine import (
    AdapterOption,
    AsJson,
    DeviceOption,
    DtypeOption,
    ModelOption,
    checked_adapter,
    opened_engine,
)
from chatdesk.engine.api import Engine, Failed, ModelInfo, Scored
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.classify import SETS, Label, Plan, Report, Result, report
from chatdesk.tasks.classify_files import TEXT, Table, read, written
from chatdesk.tasks.classify_run import Run
from chatdesk.terminal import note, notes, print_table, shown, user_errors

_SHOWN = 60  # characters of a text


@user_errors
def classify(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A .csv, .tsv, .jsonl or .txt file of texts.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="One text, in place of a file; - reads it.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="NAME or NAME=WORDING; give at least two.")
    ] = None,
    ready: Annotated[str, typer.Option("--set", help=f"Labels that are ready: {', '.join(SETS)}.")] = "sentiment",
    prompt: Annotated[str, typer.Option(help="What stands around a text, with {text} in its place.")] = "",
    text_column: Annotated[str, typer.Option(help='Column of the texts; "text" if left out.')] = "",
    label_column: Annotated[str, typer.Option(help='Column of the true labels; "label" if there is one.')] = "",
    by_length: Annotated[bool, typer.Option(help="Divide by the length of the wordings.")] = True,
    calibrate: Annotated[bool, typer.Option(help="Divide by what texts without content give.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write the table with the results here (.csv or .jsonl).")] = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Sort texts by labels. A file that was stopped in the middle goes on where it was."""
    plan = _plan(ready, labels or [], prompt, by_length, calibrate)
    table = _table(file, text)
    texts = table.column(table.text_column(text_column))
    truths = table.column(column) if (column := table.label_column(label_column)) else []
    with_it = checked_adapter(adapter, model)
    with opened_engine(model, device, dtype, quiet=as_json) as (engine, info):
        run = Run(plan, texts, f"{info.path}|{info.dtype}", with_it, context.obj.classified if file else None)
        _work(engine, run, quiet=as_json or file is None)
    if out is not None:
        written(out, table, plan, run.results)
    found = report(plan, run.results, truths) if truths else None
    if as_json:
        print(json.dumps(_told(plan, info, texts, run.results, found), ensure_ascii=False))
        return
    if out is None:
        _print_rows(plan, texts, run)
    if found is not None:
        _print_report(found)


def _plan(ready: str, labels: Sequence[str], prompt: str, by_length: bool, calibrate: bool) -> Plan:
    """The labels and the prompt. Raises ``BAD_VALUE`` and what `Plan.check` raises."""
    if ready not in SETS:
        raise UserError(Fault.BAD_VALUE, name="set", value=ready, allowed="one of " + ", ".join(SETS))
    plan = SETS[ready][1]
    pairs = [each.partition("=") for each in labels]
    chosen = tuple(Label(name, wording if equals else name) for name, equals, wording in pairs) or plan.labels
    made = msgspec.structs.replace(
        plan, labels=chosen, prompt=prompt or plan.prompt, by_length=by_length, calibrated=calibrate
    )
    made.check()
    return made


def _table(file: Path | None, text: str | None) -> Table:
    if (file is None) == (text is None):
        raise UserError(Fault.BAD_VALUE, name="file", value="none" if file is None else "given beside --text",
                        allowed="a file of texts, or else --text with one text")  # fmt: skip
    if file is not None:
        return read(file)
    return Table((TEXT,), ((sys.stdin.read() if text == "-" else text or "",),))


def _work(engine: Engine, run: Run, quiet: bool) -> None:
    """Ask until nothing is left. Ctrl+C leaves what is done in the journal."""
    bar = Progress(
        TextColumn("classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=notes,
        transient=True, disable=quiet or not sys.stderr.isatty(),
    )  # fmt: skip
    if run.resumed > sum(not text.strip() for text in run.texts):
        note(f"{run.resumed} of {len(run.texts)} texts were done before.")
    number = 10
    with bar:
        task = bar.add_task("", total=len(run.texts), completed=run.done)
        while not run.is_over:
            number += 1
            *_, last = engine.run(run.next_request(number))
            if isinstance(last, Failed):
                raise UserError(Fault(last.fault), **last.fields)
            assert isinstance(last, Scored), "a Score ends with Scored or Failed"
            run.take(last)
            run.write()
            bar.update(task, completed=run.done)


def _told(
    plan: Plan, info: ModelInfo, texts: Sequence[str], results: Sequence[Result | None], found: Report | None
) -> dict[str, Any]:
    names = [label.name for label in plan.labels]
    rows = [
        {
            "text": text,
            "predicted": names[each.best] if each and each.best is not None else None,
            "probabilities": dict(zip(names, each.probabilities, strict=False)) if each else {},
            "problem": each.problem if each else "not done",
        }
        for text, each in zip(texts, results, strict=True)
    ]
    told: dict[str, Any] = {"model": info.name, "plan": msgspec.to_builtins(plan), "rows": rows}
    if found is not None:
        is_counted = found.counted > 0
        told |= {"accuracy": found.accuracy if is_counted else None, "counted": found.counted}
        told |= {"commonest_label": found.commonest if is_counted else None}
        told |= {"uncounted": found.uncounted, "confusion": found.confusion}
    return told


def _print_rows(plan: Plan, texts: Sequence[str], run: Run) -> None:
    width = max(len(label.name) for label in plan.labels)
    words = {"empty": "no text", "too_long": "too long"}
    for text, found in zip(texts, run.results, strict=True):
        line = " ".join(text.split())
        line = line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
        if found is None or found.best is None:
            why = words.get(found.problem if found else "", "not done")
            if found is not None and found.tokens:
                why += f": at least {found.tokens} tokens, the model can see {run.limit}"
            print(shown(f"{'-':<{width}}        {line} ({why})"))
        else:
            print(shown(f"{plan.labels[found.best].name:<{width}}  {found.probabilities[found.best]:.3f}  {line}"))


def _print_report(found: Report) -> None:
    if not found.counted:
        print("\nNone of the true labels is one of these labels, so nothing can be counted.")
        return
    print(
        f"\naccuracy {found.accuracy:.1%} of {found.counted} texts (always the commonest label: {found.commonest:.1%})"
    )
    if found.uncounted:
        print(f"{found.uncounted} texts have no result, or a true label that is none of these")
    grid = Grid("true \\ said", *found.labels, box=None)
    for name, row in zip(found.labels, found.confusion, strict=True):
        grid.add_row(name, *map(str, row))
    print_table(grid)
