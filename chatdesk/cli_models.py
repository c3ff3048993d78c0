"""``chatdesk models``: the checkpoints on this machine, how one of them would be loaded, and those of a model hub."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from chatdesk import app
from chatdesk.cli_engine import AsJson
from chatdesk.engine.api import DeviceMemory, Survey, Surveyed
from chatdesk.errors import Fault, UserError
from chatdesk.library import catalogue, removing, safety, tokens
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.library.fit import Plan, Word, plans_of
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from chatdesk.storage.lock import acquire_lock
from chatdesk.tasks.checkpoints import Checkpoints, with_first
from chatdesk.tasks.downloads import Rate
from chatdesk.terminal import note, notes, print_table, shown, user_errors

if TYPE_CHECKING:
    from chatdesk.library.connection import Connection
    from chatdesk.library.download import Step
    from chatdesk.library.hub import Repository

cli = typer.Typer()

_WORDS = {
    Word.ON_CPU: "layers on the CPU: slow",
    Word.SWAPS: "more than the free memory: very slow",
    Word.SHORT: "shorter context than the model's own",
}


@cli.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """The checkpoints on this machine, and those of a model hub."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


@cli.command("list")
@user_errors
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the checkpoints on this machine.

    The model in the box, the folders opened before, and the Hugging Face cache.
    """
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
    print_table(table)


@cli.command()
@user_errors
def add(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
) -> None:
    """Check a folder and keep it in the list."""
    with _own_settings(context) as settings:
        entry = catalogue.describe(folder, starter())
        settings["folders"] = with_first(settings["folders"], str(entry.path))
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
    """Say whether a checkpoint fits into memory, and how.

    From its headers alone: nothing is loaded.
    """
    devices = _devices()
    checked = safety.check(model or starter())
    ways = plans_of(checked, catalogue.name_and_source(checked, starter())[0], devices)
    if as_json:
        print(json.dumps({"plans": [_plan(each) for each in ways]}, ensure_ascii=False))
    else:
        _print_plans(ways)


def _devices() -> tuple[DeviceMemory, ...]:
    engine = app.local_engine()
    try:
        (found,) = engine.run(Survey(1))
    finally:
        engine.close()
    assert isinstance(found, Surveyed), found
    return found.devices


def _print_plans(ways: Iterable[Plan]) -> None:
    table = _table(
        "device", "precision", "layers", "context", "weights", "keys, values", "work", "in all", "of", "note"
    )
    for each in ways:
        where = f"{each.gpu_layers} + {each.layers - each.gpu_layers}" if each.gpu_layers else str(each.layers)
        sizes = map(short_bytes, (each.weight_bytes, each.cache_bytes, each.work_bytes, each.needed, each.place.free))
        notes = "; ".join(_WORDS[word] for word in each.words)
        table.add_row(each.place.name, each.precision, where, str(each.context), *sizes, notes)
    print_table(table)


@cli.command()
@user_errors
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="A part of the name.")],
    kind: Annotated[Literal["any", "chat", "base"], typer.Option(help="With a chat template, or without.")] = "any",
    licence: Annotated[str, typer.Option(help="As the hub calls it, such as apache-2.0.")] = "",
    most_parameters: Annotated[float, typer.Option(help="In billions; 0 is no bound.", min=0, max=1e6)] = 0,
    limit: Annotated[int, typer.Option(help="Most models to look through.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Search the model hub for what this program can run.

    The most fetched come first.
    """
    from chatdesk.library import hub  # and with it the HTTP client: only when it is wanted

    connection = app.connect(Settings(context.obj.settings))
    try:
        bound = int(most_parameters * 1e9)
        found = hub.search(connection, text, "" if kind == "any" else kind, licence, bound, limit)
    finally:
        connection.close()
    if as_json:
        print(json.dumps({"models": msgspec.to_builtins(found)}, ensure_ascii=False))
        return
    table = _table("name", "architecture", "parameters", "kind", "licence", "downloads", "access")
    for each in found:
        size = short_count(each.parameters) if each.parameters else ""
        access = "gated" if each.is_gated else ""
        is_for = "chat" if each.is_chat else "base"
        table.add_row(each.name, each.architecture, size, is_for, each.licence, f"{each.downloads:,}", access)
    print_table(table)
    if not found:
        note(f"Nothing on {connection.host} that this program can run has this in its name.")


@cli.command()
@user_errors
def download(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="OWNER/NAME.")],
    revision: Annotated[str, typer.Option(help="A branch, a tag or a commit.")] = "main",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files, and say whether it fits.")] = False,
) -> None:
    """Download a checkpoint and print its folder.

    It goes into the Hugging Face cache. Stopped, it goes on where it was.
    """
    from chatdesk.library import hub
    from chatdesk.library.download import download

    connection = app.connect(Settings(context.obj.settings))
    try:
        found = hub.repository(connection, name, revision)
        note(f"{found.name}, {short_bytes(found.size_bytes)}, licence: {found.licence or 'not named'}")
        if dry_run:
            _preview(connection, found)
            return
        with _Progress(found.size_bytes) as progress:
            folder = download(connection, found, catalogue.hub_cache(), progress.show)
    except KeyboardInterrupt:
        note("Stopped. The same command goes on where it was.")
        raise
    finally:
        connection.close()
    catalogue.describe(folder)  # raises what keeps it from being loaded
    print(folder)


@cli.command()
@user_errors
def token(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it from the keyring.")] = False,
) -> None:
    """Keep an access token for the model hub.

    It is typed unseen, or read from standard input, and lies in the system's keyring.
    """
    connection = app.connect(Settings(context.obj.settings))
    if remove:
        tokens.forget(connection.host)
        note(f"There is no token for {connection.host} in the keyring now.")
        return
    is_terminal = sys.stdin.isatty()
    tokens.keep(connection.host, getpass("Token: ") if is_terminal else sys.stdin.readline())
    note(f"The token for {connection.host} is in the keyring.")


def _preview(connection: "Connection", found: "Repository") -> None:
    """The files that would be fetched, and how the model would be loaded: a few bytes of each file tell."""
    from chatdesk.library import hub

    files = _table("file", "size")
    for file in found.files:
        files.add_row(file.path, short_bytes(file.size))
    print_table(files)
    print()
    _print_plans(plans_of(hub.preview(connection, found), found.name, _devices()))


class _Progress:
    """The bar of a download on stderr; what went wrong in between as lines above it."""

    def __init__(self, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self._bar = Progress(*columns, console=notes, transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task("", total=total, figures="")
        self._rate = Rate()

    def __enter__(self) -> "_Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, step: "Step") -> None:
        """Take in a step."""
        rate, left = self._rate.add(step)
        figures = f"{short_bytes(step.done)} of {short_bytes(step.total)}"
        if rate:
            figures += f", {short_bytes(rate)}/s"
        if left is not None:
            figures += f", {timedelta(seconds=round(left))} left"
        if step.trouble is not None:
            note(f"{step.trouble} (trying again in {step.wait_s:.0f} s)")
        words = {"fetching": step.file, "checking": f"checking {step.file}", "waiting": "waiting"}[step.state]
        self._bar.update(self._task, completed=step.done, description=words, figures=figures)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table


def _entry(entry: catalogue.Entry) -> dict[str, Any]:
    """All fields; the fault as its sentence."""
    fields: dict[str, Any] = msgspec.structs.asdict(entry)
    return {**fields, "path": str(entry.path), "fault": str(entry.fault) if entry.fault else None}


def _plan(each: Plan) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(each)
    return {**fields, "needed": each.needed}
