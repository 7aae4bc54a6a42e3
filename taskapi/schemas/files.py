"""Tasks as JSON and CSV files."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from marshmallow import fields

from taskapi.errors import ApiError, Invalid
from taskapi.models.task import PLACE, SHOWN
from taskapi.schemas.fields import load
from taskapi.schemas.strict_json import items_of, malformed
from taskapi.schemas.task import TaskSchema

COLUMNS = [column.name for column in SHOWN if column.name != "deleted_at"]
# Exported, but ignored by imports.
IGNORED = {
    *("id", "user_id", "project_id", "assignee_id", "version"),
    *("created_at", "updated_at", "completed_at", "deleted_at"),
}

# Spreadsheets execute a cell that begins with one of these characters, and also a line of it or the
# part after `;`, which separates cells in many countries. Export adds one apostrophe, also to
# existing ones, and import removes exactly one.
_RUNS = r"[=+\-@\t\r]"
_UNGUARDED = re.compile(rf"^(?='*{_RUNS})|(?<=[;\n\r])(?=['\"]*{_RUNS})")
_GUARDS = re.compile(rf"^'(?='*{_RUNS})|(?<=[;\n\r])'(?=['\"]*{_RUNS})")

ROW = TaskSchema(exclude=PLACE)
# For the document: a row can have every exported column.
ImportRowSchema = TaskSchema.from_dict(
    {name: fields.Raw() for name in sorted(IGNORED)}, name="ImportRowSchema"
)


def json_lines(tasks: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    """Yield a JSON array in batches."""
    opening = b"["
    for batch in tasks:
        if batch:
            yield opening + b",\n".join(orjson.dumps(task) for task in batch)
            opening = b",\n"
    yield b"[]\n" if opening == b"[" else b"]\n"


def csv_lines(columns: list[str], tasks: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    """Yield a header and a line for each task, in batches."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for batch in tasks:
        for task in batch:
            writer.writerow([_guarded(task[column]) for column in columns])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def decode(kind: str, raw: bytes) -> str:
    """Decode an uploaded file. PostgreSQL cannot store NUL."""
    fault = ApiError if kind == "csv" else malformed
    try:
        text = raw.decode("utf-8-sig" if kind == "csv" else "utf-8")
    except UnicodeDecodeError:
        raise fault("The body is not UTF-8.") from None
    if "\x00" in text:
        raise fault("The body contains a NUL character.")
    return text


def rows_of(kind: str, text: str) -> Iterator[Any]:
    """Yield the rows of a file without validation."""
    return rows_of_csv(io.StringIO(text, newline="")) if kind == "csv" else items_of(text)


def rows_of_csv(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield each line of a CSV file as a JSON object."""
    reader = csv.reader(lines, strict=True)
    number = 0
    try:
        header = next(reader, [])
        _check_header(header)
        for cells in reader:
            if not cells:
                continue
            number += 1
            if len(cells) != len(header):
                fault = f"Must have {len(header)} cells, not {len(cells)}."
                raise Invalid({"row": [fault]}, row=number)
            yield _as_json(header, cells)
    except csv.Error:
        raise Invalid({"row": ["Invalid CSV."]}, row=number + 1) from None


def checked_rows(rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the fields of a task for each row, or raise Invalid with the number of the row."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise Invalid({"row": ["Must be a JSON object."]}, row=number)
        taken = {name: value for name, value in row.items() if name not in IGNORED}
        yield load(ROW, taken, row=number)


def _check_header(header: list[str]) -> None:
    for column in header:
        if column not in COLUMNS and column not in IGNORED:
            raise Invalid({column or "header": ["Unknown column."]})
    if len(set(header)) < len(header):
        raise Invalid({"header": ["Duplicate column."]})
    if "title" not in header:
        raise Invalid({"title": ["Missing column."]})


def _as_json(header: list[str], cells: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        field, text = ROW.fields.get(name), _GUARDS.sub("", cell)
        if not text:
            continue  # the default
        if isinstance(field, fields.List):
            row[name] = text.split(",")
        elif isinstance(field, fields.Integer) and text.isascii() and text.isdecimal():
            row[name] = int(text)
        else:
            row[name] = text
    return row


def _guarded(cell: Any) -> Any:
    if isinstance(cell, list):
        cell = ",".join(cell)
    return _UNGUARDED.sub("'", cell) if isinstance(cell, str) else cell
