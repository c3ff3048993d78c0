"""``chatdesk eval``: how good a model is on text it has not seen, and how varied what it writes is."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn

from chatdesk.cli_engine import AdapterOption, AsJson, ModelOption, checked_adapter
from chatdesk.paths import starter
from chatdesk.terminal import notes, shown, user_errors

if TYPE_CHECKING:
    from chatdesk.training.measures import Findings, Wanted


Texts = Annotated[
    list[Path] | None, typer.Argument(help="Text: txt, md or jsonl, also xz; several are measured together.")
]
Other = Annotated[Path | None, typer.Option(help="A second checkpoint, measured beside the first.")]
OtherAdapter = Annotated[
    Path | None, typer.Option(help="Folder of a LoRA adapter for the second, or for the same checkpoint again.")
]
Stride = Annotated[int | None, typer.Option(help="Tokens between two windows; half the context if left out.")]
LastWords = Annotated[Path | None, typer.Option(help="Passages, one a line, whose last word is guessed as in LAMBADA.")]
Samples = Annotated[int, typer.Option(min=0, help="Texts to write for each prompt and to measure; 0: none.")]
Prompts = Annotated[Path | None, typer.Option(help="Prompts, one a line; left out: openings of the text.")]
Chat = Annotated[bool, typer.Option("--chat", help="Each prompt is a message, answered as in a chat.")]
Against = Annotated[
    list[Path] | None, typer.Option(help="Training text, file or folder, to look for copied 8-grams; repeatable.")
]
Runs = Annotated[list[Path] | None, typer.Option(help="Folder of a training run, for its curves; repeatable.")]
Html = Annotated[Path | None, typer.Option(help="Write a report to be shared: one HTML file.")]


@user_errors
def evaluate(
    textfiles: Texts = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    other: Other = None,
    other_adapter: OtherAdapter = None,
    stride: Stride = None,
    last_words: LastWords = None,
    samples: Samples = 0,
    prompts: Prompts = None,
    chat: Chat = False,
    against: Against = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of a sample.")] = 64,
    temperature: Annotated[float, typer.Option(help="Of the samples; 1 is the model's own distribution.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Nucleus of the samples; 1 is off.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 1,
    run: Runs = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well a model foresees text, how varied it writes.

    Perplexity and bits per byte, last words, variety and copies of samples; of one model or of two.
    """
    from chatdesk.training.curves import read_curves
    from chatdesk.training.html_report import write_report
    from chatdesk.training.measures import Wanted
    from chatdesk.training.samples import SampleWishes

    sampled = SampleWishes(samples, max_new_tokens, temperature, top_p, seed) if samples else None
    wanted = Wanted(tuple(textfiles or ()), last_words, sampled, prompts, chat, tuple(against or ()), stride)
    curves = [read_curves(folder) for folder in run or ()]
    bases, adapters = _asked(model, adapter, other, other_adapter)
    wants_curves_only = html is not None and curves and wanted == Wanted()
    found = [] if wants_curves_only else _measured(bases, wanted, adapters, quiet=as_json)
    _print(found, as_json)  # before the report: where that cannot be written, nothing measured is lost
    if html is not None:
        write_report(html, found, curves, ", ".join(file.name for file in textfiles or ()))


def _measured(bases: list[Path], wanted: "Wanted", adapters: list[Path | None], quiet: bool) -> list["Findings"]:
    from chatdesk.training.measures import measure

    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), console=notes, transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("loading")

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        return measure(bases, wanted, tell, adapters)


def _print(found: list["Findings"], as_json: bool) -> None:
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
