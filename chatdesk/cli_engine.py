"""What commands share that need a model: their options, and the engine with a checkpoint loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from chatdesk import app
from chatdesk.engine.api import Device, Dtype, Engine, ModelInfo
from chatdesk.library import safety
from chatdesk.library.catalogue import name_and_source
from chatdesk.paths import starter
from chatdesk.tasks.adapters import fitting
from chatdesk.terminal import load

ModelOption = Annotated[
    Path | None, typer.Option("--model", help="Checkpoint folder; the model in the box if left out.")
]
AdapterOption = Annotated[Path | None, typer.Option("--adapter", help="Folder of a LoRA adapter for the model.")]
DraftOption = Annotated[
    Path | None, typer.Option("--draft-model", help="Folder of a small checkpoint that guesses ahead; same tokenizer.")
]
DeviceOption = Annotated[Device, typer.Option(help="Where to run.")]
DtypeOption = Annotated[Dtype, typer.Option(help="Precision of the weights.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def checked_adapter(adapter: Path | None, model: Path | None) -> str:
    """The folder of an adapter, once it is known to fit the checkpoint: before that is loaded."""
    if adapter is None:
        return ""
    base = safety.check(model or starter())
    return fitting(adapter, base, name_and_source(base, starter())[0])


@contextmanager
def opened_engine(
    model: Path | None, device: Device, dtype: Dtype, quiet: bool, draft: Path | None = None
) -> Iterator[tuple[Engine, ModelInfo]]:
    """The engine in this process with a checkpoint loaded. ``draft``: see `Load`; refused here where it is no model."""
    if draft is not None:
        safety.check(draft)
    engine = app.local_engine()
    try:
        yield engine, load(engine, model or starter(), device, dtype, quiet, str(draft or ""))
    finally:
        engine.close()
