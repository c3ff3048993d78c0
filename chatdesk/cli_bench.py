"""``chatdesk bench``: how fast a checkpoint is on this machine, beside plain transformers, and what limits it."""

import json
import sys
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chatdesk import app
from chatdesk.cli_engine import AsJson, DeviceOption, DtypeOption, ModelOption
from chatdesk.engine.api import Engine, Failed, Measure, Measured, ModelInfo
from chatdesk.engine.api import Progress as Step
from chatdesk.engine.speeds import Speeds
from chatdesk.errors import Fault, UserError
from chatdesk.library.figures import short_bytes
from chatdesk.paths import starter
from chatdesk.tasks.speed import Pair, Report, number
from chatdesk.terminal import load, note, notes, print_table, user_errors

_WAYS = {"graph": "a captured graph", "kernels": "compiled kernels", "plain": "the model's own forward"}


@user_errors
def bench(
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    rounds: Annotated[int, typer.Option(help="How often everything is measured; at least 5.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure how fast a model is here, and say what limits it.

    In turns with plain transformers over the same weights.
    """
    path = model or starter()
    engine = app.piped_engine()
    try:
        info = load(engine, path, device, dtype, quiet=as_json)
        report = Report(info, _measured(engine, info, rounds, quiet=as_json))
    finally:
        engine.close()
    if as_json:
        print(json.dumps(report.to_builtins(), ensure_ascii=False))
    else:
        _print(report)


def _measured(engine: Engine, info: ModelInfo, rounds: int, quiet: bool) -> Speeds:
    bar = Progress(
        TextColumn("measuring {task.description}", markup=False), BarColumn(), TimeElapsedColumn(), console=notes,
        transient=True, disable=quiet or not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task(info.name)
        for event in engine.run(Measure(2, rounds)):
            match event:
                case Step(done=done, total=total):
                    bar.update(task, completed=done, total=total)
                case Measured(speeds=speeds):
                    return speeds
                case Failed(fault=fault, fields=fields):
                    raise UserError(Fault(fault), **fields)
    raise AssertionError("a measurement ends with Measured or Failed")


def _print(report: Report) -> None:
    found, info = report.measured, report.info
    threads = f", {found.threads} threads" if info.device == "cpu" and found.threads > 1 else ""
    print(f"{info.name}, {info.dtype}, on {info.device_name}{threads}. Medians of {report.rounds} rounds.\n")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "chatdesk", "baseline", "ratio", "what the baseline is"):
        table.add_column(column, justify="right" if column in ("chatdesk", "baseline", "ratio") else "left")
    generate = "transformers' generate, same weights"
    table.add_row("decode, tokens/s", *_speeds(report.decode), generate)
    table.add_row("prefill, tokens/s", *_speeds(report.prefill), generate)
    first = report.first_token
    times = (f"{first.own:.3f}", f"{first.plain:.3f}", f"{number(first.ratio)} ×")
    table.add_row("first token of a next turn, s", *times, f"{generate}: it reads all again")
    sizes = short_bytes(found.memory_bytes), short_bytes(found.weight_bytes)
    table.add_row("memory", *sizes, f"{number(found.memory_bytes / found.weight_bytes)} ×", "the weights alone")
    rate, share = report.read_rate, report.share_of_limit
    if rate is not None and share is not None:
        rates = f"{short_bytes(rate)}/s", f"{short_bytes(report.bandwidth)}/s"
        table.add_row("weights read by decoding", *rates, f"{100 * share:.0f} %", "a plain read of this memory")
    print_table(table)
    print(f"\n{report.sentence()}")
    note(
        f"Decoded by {_WAYS[found.way]}: {found.new_tokens} tokens after {found.short_tokens}. Prompt of "
        f"{found.prompt_tokens} tokens; next turn of {found.turn_tokens} behind it, of which {found.reused_tokens} "
        "were kept."
    )


def _speeds(pair: Pair) -> tuple[str, str, str]:
    return number(pair.own), number(pair.plain), f"{number(pair.ratio)} ×"
