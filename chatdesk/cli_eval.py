"""``chatdesk eval``: how good a model is on text it has not seen, and how varied what it writes is."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn

from chatdesk.cli_engine import AdapterOption, AsJson, ModelOption, checked_adapter
from chatdesk.paths import starter
from chatdesk.terminal import notes, shown, user_errors


@user_errors
def evaluate(
    textfiles: Annotated[
        list[Path] | None, typer.Argument(help="Text: txt, md or jsonl, also xz; several are measured together.")
    ] = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    other: Annotated[Path | None, typer.Option(help="A second checkpoint, measured beside the first.")] = None,
    other_adapter: Annotated[
        Path | None, typer.Option(help="Folder of a LoRA adapter for the second, or for the same checkpoint again.")
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Tokens between two windows; half the context if left out.")
    ] = None,
    last_words: Annotated[
        Path | None, typer.Option(help="Passages, one a line, whose last word is guessed as in LAMBADA.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Texts to write for each prompt and to measure; 0: none.")] = 0,
    prompts: Annotated[Path | None, typer.Option(help="Prompts, one a line; left out: openings of the text.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Each prompt is a message, answered as in a chat.")] = False,
    against: Annotated[
        list[Path] | None, typer.Option(help="Training text, file or folder, to look for copied 8-grams; repeatable.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of a sample.")] = 64,
    temperature: Annotated[float, typer.Option(help="Of the samples; 1 is the model's own distribution.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Nucleus of the samples; 1 is off.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 1,
    run: Annotated[
        list[Path] | None, typer.Option(help="Folder of a training run, for its curves; repeatable.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report to be shared: one HTML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model: perplexity and bits per byte on a text, last words, and how varied the texts are it writes.

    The words are explained in the documentation of chatdesk.training.diversity.
    """
    from chatdesk.training.curves import read_curves
    from chatdesk.training.html_report import write_report
    from chatdesk.training.measures import Wanted, measure
    from chatdesk.training.samples import SampleWishes

    sampled = SampleWishes(samples, max_new_tokens, temperature, top_p, seed) if samples else None
    wanted = Wanted(tuple(textfiles or ()), last_words, sampled, prompts, chat, tuple(against or ()), stride)
    curves = [read_curves(folder) for folder in run or ()]
    wants_curves_only = html is not None and curves and wanted == Wanted()
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), console=notes, transient=True,
        disable=as_json or not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("loading")

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        bases, adapters = _asked(model, adapter, other, other_adapter)
        found = [] if wants_curves_only else measure(bases, wanted, tell, adapters)
    if html is not None:
        write_report(html, found, curves, ", ".join(file.name for file in textfiles or ()))
    if as_json:
        told, *more = [each.to_builtins() for each in found] or [{}]
        print(msgspec.json.encode({**told, "other": more[0]} if more else told).decode())  # infinity becomes null
        return
    for each in found:
        if len(found) > 1:
            print(shown(f"{each.model}:"))
        print(each.table())


def _asked(
    model: Path | None, adapter: Path | None, other: Path | None, other_adapter: Path | None
) -> tuple[list[Path], list[Path | None]]:
    """The checkpoints and their adapters, which fit. Of the second an adapter alone says: on the same checkpoint."""
    first = model or starter()
    pairs = [(first, adapter), *([(other or first, other_adapter)] if other or other_adapter else [])]
    fitted = [Path(checked_adapter(mine, base)) if mine else None for base, mine in pairs]
    return [base for base, _ in pairs], fitted
