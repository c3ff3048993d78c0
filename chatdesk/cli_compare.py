"""``chatdesk compare``: two checkpoints side by side on the same prompts, blind, with a tally."""

import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from chatdesk.cli_engine import AsJson, DeviceOption, DtypeOption, opened_engine
from chatdesk.engine.api import ChatMessage, Generate, Sampling
from chatdesk.library import safety
from chatdesk.library.catalogue import name_and_source
from chatdesk.paths import starter
from chatdesk.tasks.comparing import About, Choice, Comparison, Question, Side, read_prompts
from chatdesk.tasks.completion import Completion
from chatdesk.terminal import notes, shown, user_errors

_KEYS: dict[str, Choice] = {"l": "left", "r": "right", "s": "same", "b": "bad"}


@user_errors
def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    prompts: Annotated[Path, typer.Option(help="Prompts, one a line.")],
    text: Annotated[bool, typer.Option("--text", help="Prompts are texts to be continued, not messages.")] = False,
    out: Annotated[Path | None, typer.Option(help="File of answers and votes; in the profile if left out.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.")] = 128,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy. Default: each checkpoint's own.")] = None,
    seed: Annotated[int, typer.Option(help="Of the answers, and of who stands on which side.")] = 1,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which of two answers is better without knowing whose it is. Stopped, it goes on where it was.

    The same prompts go to both. Votes come from the terminal, or a pipe: l(eft), r(ight), s(ame), b(oth bad), q(uit).
    """
    folders = {"a": safety.check(first), "b": safety.check(second)}
    names = [name_and_source(each, starter())[0] for each in folders.values()]
    stamps = " ".join(f"{folder.folder.resolve()} {_stamp(folder.folder)}" for folder in folders.values())
    how = f"{stamps} {text} {max_new_tokens} {temperature} {dtype}"
    about = About(names[0], names[1], read_prompts(prompts), seed, how)
    comparison = Comparison(about, out or context.obj.compared / f"{about.digest}.jsonl")
    sampling = Sampling(temperature=temperature, max_new_tokens=max_new_tokens)
    _answer(comparison, "a", first, device, dtype, sampling, text, as_json)
    _answer(comparison, "b", second, device, dtype, sampling, text, as_json)
    while (question := comparison.question) is not None:
        choice = _asked(question, comparison)
        if choice is None:
            break
        comparison.vote(question.index, choice)
    _print(comparison, as_json)


def _stamp(folder: Path) -> int:
    """When the weights were written: answers of older ones are another comparison."""
    return max((file.stat().st_mtime_ns for file in folder.glob("*.safetensors")), default=0)


def _answer(
    comparison: Comparison, side: Side, model: Path, device: DeviceOption, dtype: DtypeOption, sampling: Sampling,
    is_text: bool, quiet: bool,
) -> None:  # fmt: skip
    """All answers of one model that are missing."""
    missing = comparison.missing(side)
    if not missing:
        return
    bar = Progress(
        TextColumn("answering"), BarColumn(), MofNCompleteColumn(), console=notes, transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )  # fmt: skip
    with opened_engine(model, device, dtype, quiet=quiet) as (engine, _), bar:
        task = bar.add_task("", total=len(missing))
        for number, index in enumerate(missing, 2):
            prompt = comparison.about.prompts[index]
            asked = prompt if is_text else (ChatMessage("user", prompt),)
            result = Completion(1)
            for event in engine.run(Generate(number, asked, sampling, comparison.about.seed + index)):
                result.take(event)
            comparison.answer(side, index, result.drafts[0].text)
            bar.advance(task)


def _asked(question: Question, comparison: Comparison) -> Choice | None:
    """The person's choice; None to stop."""
    if sys.stdin.isatty():
        total = len(comparison.about.prompts)
        notes.print(f"\n{comparison.votes + 1} of {total}: {question.prompt}", style="bold", soft_wrap=True)
        for name, answer in (("left", question.left), ("right", question.right)):
            notes.print(f"— {name} —", style="dim")
            notes.print(shown(answer.strip()) or "(nothing)", soft_wrap=True)
    while True:
        try:
            key = input("left, right, same, both bad, quit [l/r/s/b/q]? " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return None
        key = key.strip().lower()[:1]
        if key == "q":
            return None
        if key in _KEYS:
            return _KEYS[key]


def _print(comparison: Comparison, as_json: bool) -> None:
    tally, about = comparison.tally, comparison.about
    if as_json:
        told = {"a": about.a, "b": about.b, "prompts": len(about.prompts), "file": str(comparison.journal)}
        print(json.dumps({**told, "votes": msgspec.to_builtins(tally)}, ensure_ascii=False))
        return
    print(shown(f"{about.a}: {tally.a}\n{about.b}: {tally.b}"))
    print(f"both alike: {tally.same}\nboth bad: {tally.bad}")
    print(f"sign test: p = {tally.p:.3g}" + ("" if tally.p < 0.05 else ", which may well be chance"))
    if comparison.votes < len(about.prompts):
        notes.print(f"{comparison.votes} of {len(about.prompts)} prompts; the same command goes on.", style="dim")
