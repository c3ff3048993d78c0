"""``chatdesk prepare``: text to train on, cleaned in steps that are shown; ``estimate`` and ``train``: a run."""

import json
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from chatdesk.cli_engine import AsJson
from chatdesk.errors import Fault, UserError
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.terminal import note, notes, print_table, shown, user_errors
from chatdesk.training import preparation
from chatdesk.training.cleaning import LANGUAGES, STEPS, USUAL
from chatdesk.training.preparation import Report, Wishes

_STEPS = f"A step of the cleaning, several times for several: {', '.join(STEPS)}."


@user_errors
def prepare(
    paths: Annotated[
        list[Path], typer.Argument(help="Files and folders: txt, md, json, jsonl, csv, docx, epub, html, pdf.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path(),
    step: Annotated[list[str] | None, typer.Option(help=f"{_STEPS} Left out: {', '.join(USUAL)}.")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help=f"Keep this language only, of {', '.join(LANGUAGES)}; may be repeated.")
    ] = None,
    held_out: Annotated[float, typer.Option(help="Share of the documents kept for evaluation.")] = 0.01,
    vocabulary: Annotated[int, typer.Option(help="Train a tokenizer of this size and say how it cuts; 0: none.")] = 0,
    tokenizer: Annotated[Path | None, typer.Option(help="Say how the tokenizer of this checkpoint cuts.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Show what each step changed, before and after.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prepare text for training, in steps that are shown.

    Read, clean, leave out duplicates, hold some out. Prints the folder it is in.
    """
    languages = tuple(language or ())
    steps = tuple(step) if step else USUAL
    steps = (*steps, "language") if languages and "language" not in steps else steps
    wishes = Wishes(steps, languages, held_out, vocabulary, str(tokenizer.resolve()) if tokenizer else "")
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), console=notes, transient=True,
        disable=as_json or not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("reading")

        def tell(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        folder, report = preparation.prepare(paths, out, wishes, tell)
    if as_json:
        print(json.dumps({"folder": str(folder), **msgspec.to_builtins(report)}, ensure_ascii=False))
        return
    _print(report, samples)
    print(folder)


@user_errors
def estimate(
    recipe: Annotated[Path, typer.Argument(help="The recipe: a TOML file.")],
    text: Annotated[Path | None, typer.Option(help="Folder that the recipe's files are in.")] = None,
    seconds: Annotated[float, typer.Option(help="How long to measure, over all stages.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Say what a training will take: parameters, memory, hours.

    Each stage of the recipe is measured on this machine; nothing is trained.
    """
    if not 0 < seconds <= 3600:
        raise UserError(Fault.BAD_VALUE, name="the seconds", value=seconds, allowed="above 0, at most 3600")
    from chatdesk.training.estimate import OPTIMAL
    from chatdesk.training.estimate import estimate as measure

    found = measure(recipe, text, seconds, lambda name: None if as_json else note(f"measuring {name}"))
    if as_json:
        whole = {"seconds": found.seconds, "memory_bytes": found.memory_bytes}
        print(json.dumps({**whole, **msgspec.to_builtins(found)}))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage")
    for column in ("parameters", "tokens", "tokens/s", "time", "memory"):
        table.add_column(column, justify="right")
    for stage in found.stages:
        size, tokens = short_count(stage.parameters), short_count(stage.tokens)
        row = stage.name, size, tokens, f"{stage.tokens_per_s:,.0f}", _time(stage.seconds)
        table.add_row(*row, short_bytes(stage.memory_bytes))
    print_table(table)
    print(f"In all {_time(found.seconds)} on {found.device}, and at most {short_bytes(found.memory_bytes)} of memory.")
    if (shape := found.proposed) is not None:
        print(
            f"The text holds about {short_count(found.text_tokens)} tokens. With {OPTIMAL} tokens for each parameter a "
            f"model of width {shape.width}, {shape.layers} layers and {shape.heads} heads suits it; a smaller text can "
            "be read several times."
        )


@user_errors
def train(
    context: typer.Context,
    recipe: Annotated[Path | None, typer.Argument(help="The recipe: a TOML file.")] = None,
    text: Annotated[Path | None, typer.Option(help="Folder that the recipe's files are in.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; in the profile if left out.")] = None,
    accept_changes: Annotated[bool, typer.Option(help="Go on although the recipe's open stages have changed.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a recipe that explains all its keys.")] = False,
) -> None:
    """Train a model by a recipe. Ctrl+C saves and stops; a run that was stopped goes on where it was.

    A recipe to begin with: chatdesk train --example > recipe.toml
    """
    if example:
        from chatdesk.training.example import EXAMPLE

        print(EXAMPLE, end="")
        return
    if recipe is None:
        raise UserError(Fault.BAD_VALUE, name="the recipe", value="missing", allowed="a TOML file; see --example")
    from chatdesk.training.process import step_back, stopped_by_signals

    step_back()
    from chatdesk.training import trainer  # torch: only when it is wanted
    from chatdesk.training.report import Terminal

    folder = out or context.obj.runs / recipe.stem
    stop = threading.Event()
    with Terminal(notes) as terminal, stopped_by_signals(stop):
        checkpoint = trainer.train(recipe, text, folder, terminal.show, accept_changes, stop)
    if checkpoint is None:
        raise typer.Exit(130)
    print(checkpoint)


def _time(seconds: float) -> str:
    """Days, hours, minutes."""
    return str(timedelta(seconds=max(1, round(seconds))))


def _documents(count: int) -> str:
    return f"{count} document{'s' * (count != 1)}"


def _print(report: Report, samples: bool) -> None:
    """The report goes to stderr: stdout is for the folder alone."""
    files = f"{report.files} file{'s' * (report.files != 1)}"
    notes.print(f"{_documents(report.documents)}, {short_bytes(report.read_bytes)}, from {files}")
    for skipped in report.skipped:
        notes.print(f"not read: {skipped}", style="yellow", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("step")
    for column in ("documents", "changed", "left out", "removed"):
        table.add_column(column, justify="right")
    for count in report.steps:
        row = count.step, f"{count.seen}", f"{count.changed}", f"{count.dropped}", short_bytes(count.removed_bytes)
        table.add_row(*row)
    notes.print(table)
    if samples:
        for count in report.steps:
            for sample in count.samples:
                note(f"{count.step}: {shown(sample.before)!r} → {shown(sample.after)!r}")
    kept = f"{_documents(report.train_documents)}, {short_bytes(report.train_bytes)}"
    note(f"to train on: {kept}; held out: {report.held_out_documents}, {short_bytes(report.held_out_bytes)}")
    if report.is_cut:
        note("Whole documents are too few: parts of the text are held out.")
    if not report.held_out_documents:
        note("No document is held out: there are too few. Name another file in the recipe's held_out.")
    if (words := report.words) is not None:
        cut = ", ".join(map(shown, words.rare))
        note(
            f"tokenizer: {words.vocabulary} tokens, {words.unused} of them unused, "
            f"{words.bytes_per_token:.2f} bytes per token; most cut: {cut}"
        )
