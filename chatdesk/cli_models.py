"""``chatdesk models``: the checkpoints on this machine, and how one of them would be loaded."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from chatdesk import app
from chatdesk.engine.api import Survey, Surveyed
from chatdesk.errors import Fault, UserError
from chatdesk.library import catalogue, removing, safety
from chatdesk.library.fit import Plan, Word, plans_of, short_bytes
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from chatdesk.storage.lock import acquire_lock
from chatdesk.tasks.checkpoints import Checkpoints
from chatdesk.terminal import notes, shown, user_errors

cli = typer.Typer(help="The checkpoints on this machine.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

_WORDS = {
    Word.ON_CPU: "layers on the CPU: slow",
    Word.SWAPS: "more than the free memory: very slow",
    Word.SHORT: "shorter context than the model's own",
}


@cli.command("list")
@user_errors
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the model in the box, the folders opened before, and the Hugging Face cache."""
    settings = Settings(context.obj.settings)
    found = catalogue.with_uses(catalogue.find(starter(), map(Path, settings["folders"])), settings["uses"])
    if as_json:
        print(json.dumps({"models": [_entry(each) for each in found]}, ensure_ascii=False))
        return
    table = _table("name", "architecture", "size", "context", "kind", "folder")
    for each in found:
        if each.fault is not None:
            table.add_row(each.name, *[""] * 4, str(each.fault))
            continue
        kind = "chat" if each.has_chat_template else "base"
        size, length = short_bytes(each.disk_bytes), str(each.context_length or "")
        table.add_row(each.name, each.architecture, size, length, kind, str(each.path))
    _print(table)


@cli.command()
@user_errors
def add(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
) -> None:
    """Check a folder and keep it in the list."""
    with _own_settings(context) as settings:
        entry = catalogue.describe(folder, starter())
        Checkpoints(lambda _: [], settings, lambda work: None).keep(str(entry.path))
    notes.print(f"{entry.name} is in the list now.", style="dim")


@cli.command()
@user_errors
def remove(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Its name in the list, or its folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Move a checkpoint to the system's trash. What goes is said first, and asked."""
    with _own_settings(context) as settings:
        what = removing.removal(_folder_of(model, settings), starter())
        notes.print(_what_goes(what))
        if not yes and not typer.confirm("Move it to the trash?", err=True):
            raise typer.Exit(1)
        removing.remove(what)
        Checkpoints(lambda _: [], settings, lambda work: None).forget_within(what.place)


@contextmanager
def _own_settings(context: typer.Context) -> Iterator[Settings]:
    """The settings, while no window has them in its hands: it would write its own over ours."""
    lock = acquire_lock(context.obj.root)
    if lock is None:
        raise UserError(Fault.PROFILE_IN_USE, path=context.obj.root)
    try:
        yield Settings(context.obj.settings)
    finally:
        lock.release()


def _folder_of(model: str, settings: Settings) -> Path:
    """The folder of a checkpoint that is called by its name or its path."""
    found = catalogue.find(starter(), map(Path, settings["folders"]))
    named = [each.path for each in found if each.name == model]
    if len(named) == 1:
        return named[0]
    if Path(model).exists():
        return Path(model)
    allowed = (
        "its folder, as several have this name" if named else "a name that `chatdesk models list` shows, or a folder"
    )
    raise UserError(Fault.BAD_VALUE, name="the model", value=shown(model), allowed=allowed)


def _what_goes(what: removing.Removal) -> str:
    if what.is_link:
        return f"{what.place} is a link; the folder it leads to stays."
    versions = f", {what.snapshots} versions of the model" if what.snapshots > 1 else ""
    return f"{what.place}: {what.files} files, {short_bytes(what.disk_bytes)}{versions}"


@cli.command()
@user_errors
def plan(
    model: Annotated[Path | None, typer.Argument(help="Checkpoint folder; the model in the box if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a checkpoint fits into the memory of this machine, and how, before anything is loaded."""
    engine = app.local_engine()
    try:
        (found,) = engine.run(Survey(1))
    finally:
        engine.close()
    assert isinstance(found, Surveyed), found
    checked = safety.check(model or starter())
    ways = plans_of(checked, catalogue.name_and_source(checked, starter())[0], found.devices)
    if as_json:
        print(json.dumps({"plans": [_plan(each) for each in ways]}, ensure_ascii=False))
        return
    table = _table("device", "precision", "layers", "context", "weights", "keys, values", "in all", "of", "note")
    for each in ways:
        where = f"{each.gpu_layers} + {each.layers - each.gpu_layers}" if each.gpu_layers else str(each.layers)
        sizes = map(short_bytes, (each.weight_bytes, each.cache_bytes, each.needed, each.place.free))
        notes = "; ".join(_WORDS[word] for word in each.words)
        table.add_row(each.place.name, each.precision, where, str(each.context), *sizes, notes)
    _print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table


def _print(table: Table) -> None:
    """As wide as the terminal; in a pipe as wide as it gets."""
    Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 1000).print(table)


def _entry(entry: catalogue.Entry) -> dict[str, Any]:
    """All fields; the fault as its sentence."""
    fields: dict[str, Any] = msgspec.structs.asdict(entry)
    return {**fields, "path": str(entry.path), "fault": str(entry.fault) if entry.fault else None}


def _plan(each: Plan) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(each)
    return {**fields, "needed": each.needed}
