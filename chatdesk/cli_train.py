"""``chatdesk prepare``: text to train on, cleaned in steps that are shown."""

import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from chatdesk.library.figures import short_bytes
from chatdesk.terminal import notes, shown, user_errors
from chatdesk.training import preparation
from chatdesk.training.cleaning import LANGUAGES, STEPS, USUAL
from chatdesk.training.preparation import Report, Wishes

_STEPS = f"A step of the cleaning, several times for several: {', '.join(STEPS)}."


@user_errors
def prepare(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders: txt, md, jsonl, csv, docx, epub, html, pdf.")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path(),
    step: Annotated[list[str] | None, typer.Option(help=f"{_STEPS} Left out: {', '.join(USUAL)}.")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help=f"Keep this language only, of {', '.join(LANGUAGES)}; may be repeated.")
    ] = None,
    held_out: Annotated[float, typer.Option(help="Share of the documents kept for evaluation.")] = 0.01,
    vocabulary: Annotated[int, typer.Option(help="Train a tokenizer of this size and say how it cuts; 0: none.")] = 0,
    tokenizer: Annotated[Path | None, typer.Option(help="Say how the tokenizer of this checkpoint cuts.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Show what each step changed, before and after.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Prepare text for training: read, clean, leave out duplicates, hold some out. Prints the folder it is in."""
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


def _print(report: Report, samples: bool) -> None:
    """The report goes to stderr: stdout is for the folder alone."""
    notes.print(f"{report.documents} documents, {short_bytes(report.read_bytes)}, from {report.files} files")
    for skipped in report.skipped:
        notes.print(f"not read: {skipped}", style="yellow", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("step")
    for column in ("documents", "changed", "left out", "removed"):
        table.add_column(column, justify="right")
    for count in report.steps:
        row = count.step, f"{count.seen}", f"{count.changed}", f"{count.dropped}", short_bytes(count.removed_bytes)
        table.add_row(*row)
    Console(stderr=True, highlight=False, markup=False, emoji=False).print(table)
    if samples:
        for count in report.steps:
            for sample in count.samples:
                _note(f"{count.step}: {shown(sample.before)!r} → {shown(sample.after)!r}")
    kept = f"{report.train_documents} documents, {short_bytes(report.train_bytes)}"
    _note(f"to train on: {kept}; held out: {report.held_out_documents}, {short_bytes(report.held_out_bytes)}")
    if not report.held_out_documents:
        _note("No document is held out: there are too few. Name another file in the recipe's held_out.")
    if (words := report.words) is not None:
        cut = ", ".join(map(shown, words.rare))
        _note(
            f"tokenizer: {words.vocabulary} tokens, {words.unused} of them unused, "
            f"{words.bytes_per_token:.2f} bytes per token; most cut: {cut}"
        )


def _note(text: str) -> None:
    notes.print(text, style="dim", soft_wrap=True)
