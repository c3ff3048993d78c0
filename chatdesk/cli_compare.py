"""``chatdesk compare``: two models side by side on the same prompts, blind, with a tally."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from chatdesk.cli_engine import AsJson, DeviceOption, DtypeOption, opened_engine
from chatdesk.engine.api import ChatMessage, Device, Dtype, Generate, Sampling
from chatdesk.library import safety
from chatdesk.library.catalogue import name_and_source
from chatdesk.paths import starter
from chatdesk.tasks import adapters
from chatdesk.tasks.comparing import About, Choice, Comparison, Question, Side, read_prompts
from chatdesk.tasks.completion import Completion
from chatdesk.terminal import notes, shown, user_errors
from chatdesk.training.errand_worker import Tell, serve
from chatdesk.training.errands import Compare, Contender, Done

_KEYS: dict[str, Choice] = {"l": "left", "r": "right", "s": "same", "b": "bad"}
MOST_TOKENS = 128
"""Of an answer, where nobody says otherwise."""


@dataclass(frozen=True)
class _Model:
    """One of the two, known to be whole. ``adapter``: its folder, or empty; ``stamp``: folders, and when the weights
    in them were written: answers of older ones are another comparison.
    """

    name: str
    folder: Path
    adapter: str
    stamp: str


@dataclass(frozen=True)
class _How:
    """How the answers are made. ``is_text``: prompts are continued, not answered."""

    sampling: Sampling
    device: Device = "auto"
    dtype: Dtype = "auto"
    is_text: bool = False


@user_errors
def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    second: Annotated[Path, typer.Argument(help="Another one, or the same with another adapter.")],
    prompts: Annotated[Path, typer.Option(help="Prompts, one a line.")],
    first_adapter: Annotated[Path | None, typer.Option(help="Folder of a LoRA adapter for the first.")] = None,
    second_adapter: Annotated[Path | None, typer.Option(help="Folder of a LoRA adapter for the second.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Prompts are texts to be continued, not messages.")] = False,
    out: Annotated[Path | None, typer.Option(help="File of answers and votes; in the profile if left out.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.")] = MOST_TOKENS,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy. Default: each checkpoint's own.")] = None,
    seed: Annotated[int, typer.Option(help="Of the answers, and of who stands on which side.")] = 1,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which of two answers is better without knowing whose it is. Stopped, it goes on where it was.

    The same prompts go to both. Votes come from the terminal, or a pipe: l(eft), r(ight), s(ame), b(oth bad), q(uit).
    The count is told when all votes are given; --json tells it at any time.
    """
    models: dict[Side, _Model] = {"a": _checked(first, first_adapter), "b": _checked(second, second_adapter)}
    how = _How(Sampling(temperature=temperature, max_new_tokens=max_new_tokens), device, dtype, text)
    about = _about(models, read_prompts(prompts), seed, how)
    comparison = Comparison(about, out or context.obj.compared / f"{about.digest}.jsonl")
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), console=notes,
        transient=True, disable=as_json or not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task("answering")

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        _answer(comparison, models, how, tell)
    while (question := comparison.question) is not None:
        choice = _asked(question, comparison)
        if choice is None:
            break
        comparison.vote(question.index, choice)
    _print(comparison, as_json)


def answer(file: str) -> int:
    """The child process that answers for the window: a `Compare` in a file; the exit status as of `serve`."""
    errand = msgspec.json.decode(Path(file).read_bytes(), type=Compare)
    return serve(lambda tell: _answered(errand, tell))


def _answered(errand: Compare, tell: Tell) -> Done:
    def checked(each: Contender) -> _Model:
        return _checked(Path(each.checkpoint), Path(each.adapter) if each.adapter else None)

    models: dict[Side, _Model] = {"a": checked(errand.a), "b": checked(errand.b)}
    how = _How(Sampling(max_new_tokens=MOST_TOKENS), is_text=errand.is_text)
    comparison = Comparison(_about(models, errand.prompts, errand.seed, how), Path(errand.out))
    _answer(comparison, models, how, tell)
    return Done({})


def _checked(folder: Path, adapter: Path | None) -> _Model:
    """Raises what `safety.check` and `adapters.fitting` raise."""
    base = safety.check(folder)
    name = name_and_source(base, starter())[0]
    fitted = adapters.fitting(adapter, base, name) if adapter else ""
    stamps = [f"{each.resolve()} {_stamp(each)}" for each in (base.folder, *([Path(fitted)] if fitted else []))]
    return _Model(adapters.called(name, fitted), base.folder, fitted, " ".join(stamps))


def _stamp(folder: Path) -> int:
    """When the weights were written."""
    return max((file.stat().st_mtime_ns for file in folder.glob("*.safetensors")), default=0)


def _about(models: dict[Side, _Model], prompts: tuple[str, ...], seed: int, how: _How) -> About:
    stamps = " ".join(each.stamp for each in models.values())
    said = f"{how.is_text} {how.sampling.max_new_tokens} {how.sampling.temperature} {how.dtype}"
    return About(models["a"].name, models["b"].name, prompts, seed, f"{stamps} {said}")


def _answer(comparison: Comparison, models: dict[Side, _Model], how: _How, tell: Tell) -> None:
    """All answers that are missing; a checkpoint that both share is loaded once."""
    missing = [(side, index) for side in models for index in comparison.missing(side)]
    total = len(models) * len(comparison.about.prompts)
    done = total - len(missing)
    for folder in dict.fromkeys(models[side].folder for side, _ in missing):
        tell(f"loading {folder.name}", done, total)
        with opened_engine(folder, how.device, how.dtype, quiet=True) as (engine, _):
            for number, (side, index) in enumerate(missing, 2):
                if models[side].folder != folder:
                    continue
                prompt = comparison.about.prompts[index]
                asked = prompt if how.is_text else (ChatMessage("user", prompt),)
                seed = comparison.about.seed + index
                result = Completion(1)
                for event in engine.run(Generate(number, asked, how.sampling, seed, adapter=models[side].adapter)):
                    result.take(event)
                comparison.answer(side, index, result.drafts[0].text)
                done += 1
                tell("answering", done, total)


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
    total = len(about.prompts)
    if comparison.votes < total:  # who knows which model leads is not blind, and p is not what it says
        notes.print(f"{comparison.votes} of {total} prompts voted on; the same command goes on.", style="dim")
        return
    print(shown(f"{about.a}: {tally.a}\n{about.b}: {tally.b}"))
    print(f"both alike: {tally.same}\nboth bad: {tally.bad}")
    print(f"sign test: p = {tally.p:.3g}" + ("" if tally.p < 0.05 else ", which may well be chance"))
