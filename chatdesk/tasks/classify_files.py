"""Tables of texts in files, and results out: CSV with a line of headings, JSON lines, or plain text line by line.

A file is taken whole or not at all: a line that is broken is named, with what is wrong there.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatdesk.errors import Fault, UserError
from chatdesk.storage.tables import storable
from chatdesk.storage.transfer import files
from chatdesk.tasks import attachments
from chatdesk.tasks.classify import Plan, Result

MOST_BYTES = 64 << 20
TEXT, LABEL = "text", "label"
"""What the columns are called where nobody says otherwise."""

_SEPARATORS = ",;\t"
_LOOKED_AT = 100  # rows


@dataclass(frozen=True)
class Table:
    """The rows of a file. ``columns``: their names, in order; ``rows``: a text for each column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The texts of one column. Raises ``TABLE_NO_COLUMN``."""
        if name not in self.columns:
            raise UserError(Fault.TABLE_NO_COLUMN, column=name, columns=", ".join(self.columns))
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def text_column(self, wanted: str = "") -> str:
        """The column of the texts: the wanted one, else the only one, or the one called "text"."""
        if not wanted and len(self.columns) == 1:
            return self.columns[0]
        self.column(wanted or TEXT)
        return wanted or TEXT

    def likely_text_column(self) -> str:
        """The column called "text", else the one with the longest texts, by the first rows; not that of the labels."""

        def size(place: int) -> tuple[bool, int]:
            return self.columns[place] != LABEL, sum(len(row[place]) for row in self.rows[:_LOOKED_AT])

        return TEXT if TEXT in self.columns else self.columns[max(range(len(self.columns)), key=size)]

    def label_column(self, wanted: str = "") -> str:
        """The column of the true labels: the wanted one, else one called "label"; empty where there is none."""
        if wanted:
            self.column(wanted)
        return wanted or (LABEL if LABEL in self.columns else "")


def read(path: Path) -> Table:
    """A file's table, by the ending of its name.

    Raises ``FILE_NOT_FOUND``, ``BROKEN_TEXT``, ``NO_TEXT``, ``TABLE_TOO_LARGE``, ``TABLE_NOT_TEXT``, ``TABLE_BROKEN``.
    """
    text = _text(path)
    match path.suffix.lower():
        case ".csv" | ".tsv":
            table = _read_csv(text, path)
        case ".jsonl" | ".ndjson":
            table = _read_lines(text, path)
        case _:
            table = Table((TEXT,), tuple((line,) for line in text.splitlines() if line.strip()))
    if not table.rows:
        raise UserError(Fault.NO_TEXT, path=path)
    return table


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise UserError(Fault.FILE_NOT_FOUND, path=path)
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UserError(Fault.BROKEN_TEXT, path=path, reason=getattr(error, "strerror", None) or error) from error
    if len(data) > MOST_BYTES:
        size = f"{path.stat().st_size / 1e6:,.0f}"
        raise UserError(Fault.TABLE_TOO_LARGE, path=path, size=size, most=MOST_BYTES >> 20)
    try:
        return attachments.decoded(data, path.name)
    except UserError as error:
        raise UserError(Fault.TABLE_NOT_TEXT, path=path) from error


def _broken(path: Path, line: int, reason: object) -> UserError:
    return UserError(Fault.TABLE_BROKEN, path=path, line=line, reason=reason)


def _read_csv(text: str, path: Path) -> Table:
    heading = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=heading.count)
    csv.field_size_limit(MOST_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[str, ...]] = []
    start = 1
    try:
        for row in reader:
            if row:
                if rows and len(row) != len(rows[0]):
                    raise _broken(path, start, f"it has {len(row)} columns, and the first line has {len(rows[0])}")
                rows.append(tuple(row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise _broken(path, start, f"its quotation marks do not match ({error})") from error
    heads = (name.strip() or f"column {number}" for number, name in enumerate(rows[0], 1)) if rows else ()
    return Table(tuple(heads), tuple(rows[1:]))


def _read_lines(text: str, path: Path) -> Table:
    found: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(path, number, "it is not JSON") from error
        if not isinstance(row, dict):
            raise _broken(path, number, "it is not a JSON object")
        found.append({storable(name): value for name, value in row.items()})
    columns = tuple(dict.fromkeys(name for row in found for name in row))
    return Table(columns, tuple(tuple(_cell(row.get(name)) for name in columns) for row in found))


def _cell(value: Any) -> str:
    """A value as text that can be written; an escape may be half a character."""
    if value is None:
        return ""
    return storable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def written(path: Path, table: Table, plan: Plan, results: Sequence[Result | None]) -> None:
    """Write the table with the results behind its columns, as JSON lines or, by any other ending, as CSV.

    The file is replaced as a whole. Raises ``DISK_FULL`` or ``CANNOT_WRITE``.
    """
    file = io.StringIO(newline="")
    is_table = path.suffix.lower() not in (".jsonl", ".ndjson")
    if not is_table:
        for row in _objects(table, plan, results):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        writer = csv.writer(file)
        wanted = ["predicted", *(f"p({label.name})" for label in plan.labels), "problem"]
        writer.writerow([*table.columns, *_beside(table.columns, wanted)])
        for cells, found in zip(table.rows, results, strict=True):
            writer.writerow([*cells, *_cells(plan, found)])
    files.write_text(path, file.getvalue(), is_table)


def _beside(taken: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Names of further columns: as wanted, or longer where there is such a column."""
    names: list[str] = []
    for name in wanted:
        while name in taken or name in names:
            name += "_"
        names.append(name)
    return names


def _cells(plan: Plan, found: Result | None) -> list[str]:
    if found is None or found.best is None:
        return ["", *[""] * len(plan.labels), found.problem if found else "not done"]
    return [plan.labels[found.best].name, *(f"{p:.6g}" for p in found.probabilities), ""]


def _objects(table: Table, plan: Plan, results: Sequence[Result | None]) -> Iterator[dict[str, Any]]:
    columns = _beside((), table.columns)  # a table may have two of one name, an object may not
    predicted, probabilities, problem = _beside(columns, ("predicted", "probabilities", "problem"))
    names = [label.name for label in plan.labels]
    for cells, found in zip(table.rows, results, strict=True):
        row: dict[str, Any] = dict(zip(columns, cells, strict=True))
        row[predicted] = plan.labels[found.best].name if found and found.best is not None else None
        row[probabilities] = dict(zip(names, found.probabilities, strict=False)) if found else {}
        if found is None or found.problem:
            row[problem] = found.problem if found else "not done"
        yield row
