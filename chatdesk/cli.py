"""The command line: what the window can do, a script can do. It speaks English and never opens the store.

Text goes to stdout and nothing else does; progress and notes go to stderr. A user error is one sentence and exit
code 2.
"""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from chatdesk import __version__, app, cli_bench, cli_classify, cli_compare, cli_eval, cli_models, cli_train
from chatdesk.cli_engine import (
    AdapterOption,
    AsJson,
    DeviceOption,
    DraftOption,
    DtypeOption,
    ModelOption,
    checked_adapter,
    opened_engine,
)
from chatdesk.engine.api import (
    ChatMessage,
    Engine,
    Finished,
    Generate,
    ModelInfo,
    Sampling,
    Started,
    TokenEvent,
)
from chatdesk.errors import UserError
from chatdesk.paths import Profile
from chatdesk.remarks import REMARKS, Remark
from chatdesk.tasks.adapters import called
from chatdesk.tasks.completion import Completion
from chatdesk.terminal import note, notes, open_streams, shown, user_errors, written

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Temperature = Annotated[float | None, typer.Option(help="0 is greedy. Default: the checkpoint's own, else 0.7.")]
TopP = Annotated[float | None, typer.Option(help="Nucleus of this share; 1 is off.")]
TopK = Annotated[int | None, typer.Option(help="Only the K likeliest tokens; 0 is off.")]
MinP = Annotated[float | None, typer.Option(help="Least probability next to the likeliest token; 0 is off.")]
Repetition = Annotated[float | None, typer.Option(help="Above 1 repeats less; 1 is off.")]
NewTokens = Annotated[int | None, typer.Option(help="Most new tokens. Default: 512, or the checkpoint's own.")]
Alternatives = Annotated[int, typer.Option(help="How many drafts; they share one reading of the prompt.")]
Logprobs = Annotated[int, typer.Option(help="With --json: list this many alternative tokens each.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same text. Random if left out.")]


def main() -> None:
    """Run the command line; `__main__` calls it."""
    open_streams()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe: UTF-8 on every system, whose text some mark in front
            piped = "utf-8-sig" if stream is sys.stdin else "utf-8"
            stream.reconfigure(encoding=None if stream.isatty() else piped, errors="replace")
    with written():
        sys.exit(_run())


def _run() -> int | None:
    """Run what was typed and return its exit code. A mistake in typing is one sentence and exit code 2."""
    try:
        code: int | None = cli(prog_name="chatdesk", standalone_mode=False)
        return code
    except typer.TyperException as error:
        words = error.format_message().replace("Value error, ", "")  # who checks the values puts it in front
        context = getattr(error, "ctx", None)  # of the command that was meant, where that is known
        hint = f" See {context.command_path} --help." if context else ""
        print(f"chatdesk: {words}{'' if words[-1] in '.?!' else '.'}{hint}", file=sys.stderr)
        return error.exit_code
    except typer.Abort:  # a question without an answer
        print("chatdesk: Aborted.", file=sys.stderr)
        return 1


@cli.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    profile: Annotated[Path | None, typer.Option(help="Keep all data in this folder.")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """A desktop chat for language models of your own. Without a command it opens the window."""
    context.obj = Profile(profile.resolve()) if profile else Profile.default()
    if version:
        print(f"chatdesk {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(app.run_window(context.obj))


@cli.command()
@user_errors
def chat(
    model: ModelOption = None,
    adapter: AdapterOption = None,
    draft_model: DraftOption = None,
    system: Annotated[str, typer.Option(help="System prompt.")] = "",
    temperature: Temperature = None,
    max_new_tokens: NewTokens = None,
    top_p: TopP = None,
    top_k: TopK = None,
    min_p: MinP = None,
    repetition_penalty: Repetition = None,
    seed: Seed = None,
    dialogue: Annotated[str, typer.Option(help="How messages are written; left out: the checkpoint's way.")] = "",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Chat in the terminal. Ctrl+C stops a reply, Ctrl+D leaves. Piped input is answered line by line."""
    sampling = Sampling(temperature, top_p, top_k, min_p, repetition_penalty, max_new_tokens)
    is_terminal = sys.stdin.isatty()
    messages = [ChatMessage("system", system)] if system else []
    with_it = checked_adapter(adapter, model)
    with opened_engine(model, device, dtype, quiet=not is_terminal, draft=draft_model) as (engine, info):
        if is_terminal:
            notes.print(
                f"{called(info.name, with_it)} on {info.device_name}. Ctrl+C stops a reply, Ctrl+D leaves.", style="dim"
            )
            _say_remarks(info, is_chat=not dialogue)
        for number, line in enumerate(_lines(is_terminal), 2):
            prompt = (*messages, ChatMessage("user", line))
            request = Generate(number, prompt, sampling, seed, dialogue=dialogue, adapter=with_it)
            try:
                messages = [*prompt, _answer(engine, request)]
            except UserError as error:
                if not is_terminal:
                    raise
                print(f"chatdesk: {error}", file=sys.stderr)  # the conversation goes on without that message
        if not is_terminal:
            _say_remarks(info, is_chat=not dialogue)


@cli.command()
@user_errors
def complete(
    prompt: Annotated[str, typer.Argument(help="Text to continue, as it is; - reads it from standard input.")],
    model: ModelOption = None,
    adapter: AdapterOption = None,
    draft_model: DraftOption = None,
    temperature: Temperature = None,
    max_new_tokens: NewTokens = None,
    max_length: Annotated[int | None, typer.Option(help="Most tokens of prompt and new text together.")] = None,
    top_p: TopP = None,
    top_k: TopK = None,
    min_p: MinP = None,
    repetition_penalty: Repetition = None,
    seed: Seed = None,
    alternatives: Alternatives = 1,
    logprobs: Logprobs = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """Continue a text: raw completion, no chat template."""
    text = sys.stdin.read() if prompt == "-" else prompt
    sampling = Sampling(temperature, top_p, top_k, min_p, repetition_penalty, max_new_tokens, max_length)
    with_it = checked_adapter(adapter, model)
    with opened_engine(model, device, dtype, quiet=as_json, draft=draft_model) as (engine, info):
        result = Completion(alternatives)
        request = Generate(2, text, sampling, seed, alternatives, tuple(stop or ()), logprobs, adapter=with_it)
        for event in engine.run(request):
            result.take(event)
            if isinstance(event, Started):
                _say_dropped(event)
            if isinstance(event, TokenEvent) and alternatives == 1 and not as_json:
                print(shown(event.text), end="", flush=True)
    if as_json:
        print(json.dumps(result.to_builtins(info, with_it), ensure_ascii=False))
    elif alternatives == 1:
        streamed = sum(len(token.text) for token in result.drafts[0].tokens)
        print(shown(result.drafts[0].text[streamed:]))
    else:
        for number, draft in enumerate(result.drafts, 1):
            print(shown(f"{number}. {text}{draft.text}\n"))
    if not as_json and result.finished is not None:
        _say_remarks(info, is_chat=False)
        _say_speed(result.finished)


cli.command()(cli_classify.classify)
cli.command("eval")(cli_eval.evaluate)
cli.command()(cli_compare.compare)
cli.command()(cli_bench.bench)
cli.command()(cli_train.prepare)
cli.command()(cli_train.estimate)
cli.command()(cli_train.train)
cli.add_typer(cli_models.cli, name="models")


def _lines(is_terminal: bool) -> Iterator[str]:
    """What the person types, or the lines of a pipe; blank ones are passed over."""
    while True:
        try:
            line = input("> " if is_terminal else "")
        except (EOFError, KeyboardInterrupt):
            if is_terminal:
                print()
            return
        if line.strip():
            yield line


def _answer(engine: Engine, request: Generate) -> ChatMessage:
    """Print a reply as it comes; Ctrl+C keeps what is there. Returns it as the next message of the prompt."""
    result = Completion(1)
    draft = result.drafts[0]
    events = engine.run(request)
    printed = 0
    try:
        for event in events:
            result.take(event)
            if isinstance(event, Started):
                _say_dropped(event)
            print(shown(draft.text[printed:]), end="", flush=True)
            printed = len(draft.text)
    except KeyboardInterrupt:
        events.close()  # type: ignore[attr-defined]  # a generator; closing it cancels
    print(flush=True)
    return ChatMessage("assistant", draft.text, tuple(token.id for token in draft.tokens))


def _say_remarks(info: ModelInfo, is_chat: bool) -> None:
    for remark in map(Remark, info.remarks):
        if is_chat or remark != Remark.NO_CHAT_TEMPLATE:
            note(REMARKS[remark])


def _say_dropped(started: Started) -> None:
    if started.dropped_tokens:
        note(f"The prompt is longer than the context: its first {started.dropped_tokens} tokens were left out.")
    if started.dropped_messages:
        note(f"The context is full: the model no longer sees the first {started.dropped_messages} messages.")


def _say_speed(finished: Finished) -> None:
    note(f"{finished.new_tokens} tokens, {finished.tokens_per_s:.0f} tokens/s, first after {finished.ttft_s:.2f} s")
