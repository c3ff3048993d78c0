"""Everything into a folder: one file for each conversation, named after its title."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from chatdesk.storage.transfer import html, markdown, native
from chatdesk.storage.transfer.files import file_name, numbered, write
from chatdesk.storage.transfer.order import Labels
from chatdesk.storage.transfer.trees import Tree

RENDERERS: Mapping[str, Callable[[Sequence[Tree], Labels], bytes]] = MappingProxyType(
    {
        ".md": lambda trees, labels: markdown.document(trees, labels).encode(),
        ".html": lambda trees, labels: html.document(trees, labels).encode(),
        ".json": lambda trees, _: native.document(trees),
    }
)


def export_each(trees: Sequence[Tree], folder: Path, suffix: str, labels: Labels = Labels()) -> list[Path]:  # noqa: B008
    """Write a file for each tree and return their paths; ``suffix`` is one of `RENDERERS`.

    Files that are there are left as they are: a new one gets a number. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; the
    files written by then are whole, and stay.
    """
    taken = {path.name.casefold() for path in folder.glob("*")}
    written = []
    for tree in trees:
        path = folder / numbered(file_name(tree.title, suffix), taken)
        write(path, RENDERERS[suffix]([tree], labels))
        written.append(path)
    return written
