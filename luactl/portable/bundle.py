"""An export that somebody brings: checked as a whole before anything of it is used.

Owns the way from the folder to rows. What the folder's own manifest names must be there unchanged; whether
the signature can be trusted is for `luactl verify` to say, with a key from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from ..certificate import manifest as man
from ..errors import LuactlError, UsageError
from . import form, secrets
from .form import Row

CHUNK = 1 << 20
TENANT = "tenant.json"
KEPT_FAULTS = 1_000
ORDER = (
    "subjects.jsonl", "contacts.jsonl", "interactions.jsonl", "invoices.jsonl", "users.jsonl",
    "sessions.jsonl",
)  # fmt: skip
"""Files of data in the order in which each needs those before it."""
KIND = "export"
FORMS: Mapping[str, Mapping[str, form.Read]] = {**form.FORMS, secrets.FILE: secrets.FORM}
"""The form of a line, by file."""


@dataclass(frozen=True)
class Fault:
    """A line that cannot be what an export holds."""

    file: str
    line: int
    """From 1 on; 0 for the file as a whole."""
    reason: str
    """Names fields, never what stood in them."""


class FaultyError(LuactlError):
    """The folder holds what no export holds; `faults` has the first thousand of them."""

    def __init__(self, folder: Path, faults: list[Fault]) -> None:
        first = faults[0]
        where = f"{first.file}, line {first.line}" if first.line else first.file
        more = f" and {len(faults) - 1:,} more" if len(faults) > 1 else ""
        super().__init__(
            f"{folder} is no whole export: {where}: {first.reason}{more}; nothing was taken in",
            hint="get it again from whoever made it; `luactl verify FOLDER` checks files and signature",
        )
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Bundle:
    """A checked export."""

    folder: Path
    export_id: UUID
    tenant: dict[str, Any]
    """tenant.json."""
    rows: dict[str, int]
    """Lines by file."""
    subjects: dict[UUID, bool] = field(repr=False)
    """Everybody in it, and whether they are erased."""
    secrets: tuple[Row, ...] = field(default=(), repr=False)
    """Credentials, sealed to whoever got the export."""

    def read(self, file: str) -> Iterator[Row]:
        """Yield the rows of a file. Raises ValueError, OSError for what changed since the check."""
        for _line, row in _rows(self.folder, file):
            if isinstance(row, str):
                raise ValueError(row)
            yield row


def read_bundle(folder: Path) -> Bundle:
    """Check every file and every line of an export.

    Raises UsageError when the folder is no export, FaultyError when something in it is not as it must be.
    """
    found = _manifest(folder)
    faults = [Fault(name, 0, reason) for name, reason in _changed(folder, found)]
    if faults:
        raise FaultyError(folder, faults)
    tenant = _tenant(folder)
    known = _Known()
    rows = {name: _check_file(folder, name, known, faults) for name in ORDER}
    sealed = _secrets(folder, faults) if secrets.FILE in found.files else ()
    if faults:
        raise FaultyError(folder, faults)
    return Bundle(folder, UUID(found.id), tenant, rows, known.subjects, sealed)


def _secrets(folder: Path, faults: list[Fault]) -> tuple[Row, ...]:
    """Return the credentials of an export, each name once."""
    names: dict[str, Row] = {}
    for number, row in _rows(folder, secrets.FILE):
        if isinstance(row, str):
            faults.append(Fault(secrets.FILE, number, row))
        elif row["name"] in names:
            faults.append(Fault(secrets.FILE, number, "name stands on an earlier line already"))
        else:
            names[row["name"]] = row
    return tuple(names.values())


def _manifest(folder: Path) -> man.Manifest:
    try:
        found = man.parse((folder / man.MANIFEST).read_bytes())
    except OSError:
        raise UsageError(f"{folder} is no export: it has no manifest.json", hint="name its folder") from None
    except man.ManifestError as error:
        raise UsageError(f"{folder} is no export: its manifest {error}") from None
    missing = {TENANT, *form.FORMS} - found.files.keys()
    if found.kind != KIND or missing:
        raise UsageError(
            f"{folder} is no export: it certifies an {found.kind}"
            if found.kind != KIND
            else f"{folder} is no export: its manifest names no {min(missing)}",
            hint="`luactl tenant export` makes one",
        )
    return found


def _changed(folder: Path, found: man.Manifest) -> Iterator[tuple[str, str]]:
    """Yield the files that are not as the manifest says."""
    for name, digest in sorted(found.files.items()):
        sum_ = sha256()
        try:
            with (folder / name).open("rb") as file:
                while chunk := file.read(CHUNK):
                    sum_.update(chunk)
        except OSError as error:
            yield name, f"cannot be read: {error.strerror}"
            continue
        if sum_.hexdigest() != digest:
            yield name, "was changed: its SHA-256 is not the manifest's"


def _tenant(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / TENANT).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != "luactl/portable/1":
        raise FaultyError(folder, [Fault(TENANT, 0, "is not of a format that this luactl reads")])
    return found


def _rows(folder: Path, name: str) -> Iterator[tuple[int, Row | str]]:
    with (folder / name).open("rb") as file:
        yield from rows_of(file, FORMS[name])


def rows_of(file: BinaryIO, line_form: Mapping[str, form.Read]) -> Iterator[tuple[int, Row | str]]:
    """Yield number and row of each line of a file, or the reason why there is none."""
    for number, line in enumerate(iter(lambda: file.readline(form.LONGEST + 1), b""), 1):
        if len(line) > form.LONGEST or not line.endswith(b"\n"):
            yield number, "is cut short or too long"
            return
        try:
            yield number, form.parse(line_form, line)
        except ValueError as error:
            yield number, str(error)


@dataclass
class _Known:
    """Who was named so far."""

    subjects: dict[UUID, bool] = field(default_factory=dict)
    """Everybody, and whether they are erased."""
    users: set[UUID] = field(default_factory=set)
    """Of these, who is a user of the CRM."""


def _check_file(folder: Path, name: str, known: _Known, faults: list[Fault]) -> int:
    """Check a file line by line and return how many it has; whom it makes known is remembered."""
    seen: set[UUID] = set()
    numbers: set[str] = set()
    count = 0
    for count, row in _rows(folder, name):
        reason = row if isinstance(row, str) else _misplaced(name, row, known, seen, numbers)
        if reason and len(faults) < KEPT_FAULTS:
            faults.append(Fault(name, count, reason))
        elif not isinstance(row, str) and name == "subjects.jsonl":
            known.subjects[row["subject_id"]] = row["status"] == "erased"
        elif not isinstance(row, str) and name == "users.jsonl":
            known.users.add(row["subject_id"])
    return count


def _misplaced(name: str, row: Row, known: _Known, seen: set[UUID], numbers: set[str]) -> str | None:
    """Return why a row that is right by itself does not belong here, or None."""
    subjects = known.subjects
    own = next(iter(row.values()))
    if own in seen:
        return f"{next(iter(row))} stands on an earlier line already"
    seen.add(own)
    if name == "subjects.jsonl":
        return (
            None if (row["status"] == "erased") == bool(row["erased_at"]) else "status and erased_at disagree"
        )
    if row["subject_id"] not in subjects:
        return "subject_id names nobody in subjects.jsonl"
    if name == "users.jsonl" and not isinstance(row["fields"].get("login"), str):
        return "fields have no login"
    if name == "sessions.jsonl" and row["subject_id"] not in known.users:
        return "its person is no user"
    if name != "invoices.jsonl":
        return "its person is erased" if subjects[row["subject_id"]] else None
    if row["number"] in numbers:
        return "number stands on an earlier line already"
    numbers.add(row["number"])
    kept = row["retained_at"] is not None
    return None if kept == subjects[row["subject_id"]] else "retained_at and its person's status disagree"
