"""Who is meant by a list of ids, one a line: subject ids, or the ids under which a tenant knows its people.

An external id is looked up by its digest; nothing is opened, and no id is repeated in an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from ..db import Session, queries, transaction
from ..errors import NotFoundError, UsageError
from ..pack import Bytes, Uuids, teach
from ..table import batched, open_source

if TYPE_CHECKING:
    from ..tenant import Tenant

BATCH = 20_000
LONGEST = 1_000
TOLD = 10
HEADERS = frozenset({"subject", "subject_id", "subject id", "id", "external_id", "external id"})


@dataclass(frozen=True)
class Named:
    """Who a list of ids names."""

    subjects: tuple[UUID, ...]
    """In the order of ids, each once."""
    lines: int
    """Lines with an id."""
    duplicates: int
    """Lines that named somebody who had been named before."""
    unknown: tuple[int, ...]
    """Numbers of the lines that name nobody."""


def from_file(
    session: Session, tenant: Tenant, origin: Path | BinaryIO, *, skip_unknown: bool = False
) -> Named:
    """Return whom the lines of a file name: each a subject id, else an external id.

    Empty lines and those that begin with `#` are passed over, and so is a first line that is a column's
    name. Raises UsageError for a file that is not there, TableError for what is no text, UsageError for a
    line that is no id, NotFoundError for lines that name nobody unless these are skipped.
    """
    teach(session.conn)
    wanted = _read(origin)
    if not wanted:
        raise UsageError("the file names nobody", hint="one subject id or external id a line")
    lines = [line for numbers in wanted.values() for line in numbers]
    found = _subjects(session, tenant, wanted)
    found |= _externals(session, tenant, [text for text in wanted if text not in found])
    unknown = sorted(line for text, numbers in wanted.items() if text not in found for line in numbers)
    if unknown and not skip_unknown:
        told = ", ".join(f"{line:,}" for line in unknown[:TOLD])
        more = f" and {len(unknown) - TOLD:,} more" if len(unknown) > TOLD else ""
        raise NotFoundError(
            f"{len(unknown):,} of {len(lines):,} lines name nobody at {tenant.slug!r}: {told}{more}",
            hint="put them right, or leave them out with --skip-unknown; who was erased has no external id",
        )
    people = tuple(sorted(set(found.values())))
    named = len(lines) - len(unknown)
    return Named(people, len(lines), named - len(people), tuple(unknown))


def _read(origin: Path | BinaryIO) -> dict[str, list[int]]:
    """Return the numbers of the lines of each id, in the order of the file."""
    wanted: dict[str, list[int]] = {}
    with open_source(origin) as source, source.text() as text:
        for number, line in enumerate(text, 1):
            value = line.strip().strip('"').strip()
            if not value or value.startswith("#") or (number == 1 and value.casefold() in HEADERS):
                continue
            if len(value) > LONGEST or not value.isprintable():
                raise UsageError(
                    f"line {number:,} of {source.name} is no id",
                    hint="the file has one subject id or external id a line, and nothing else",
                )
            wanted.setdefault(value, []).append(number)
    return wanted


def _subjects(session: Session, tenant: Tenant, wanted: Mapping[str, object]) -> dict[str, UUID]:
    """Return those that are ids of subjects, living or erased."""
    ids = {text: one for text in wanted if (one := _uuid(text)) is not None}
    known: set[UUID] = set()
    for batch in batched(ids.values(), BATCH):
        with transaction(session, tenant.tenant_id) as conn:
            rows = queries("erasure").statuses(conn, tenant_id=tenant.tenant_id, ids=Uuids.of(batch))
            known |= {row[0] for row in rows}
    return {text: one for text, one in ids.items() if one in known}


def _externals(session: Session, tenant: Tenant, texts: Sequence[str]) -> dict[str, UUID]:
    """Return whom the digests of these external ids belong to. Raises RefusedError off a key host."""
    if not texts:
        return {}
    from ..key import open_tenant
    from ..key.blind import external_digest

    with transaction(session, tenant.tenant_id):
        unique_key = open_tenant(session, tenant.tenant_id).unique_key
    found: dict[str, UUID] = {}
    for batch in batched(texts, BATCH):
        digests = {mark: text for text in batch if (mark := external_digest(unique_key, text)) is not None}
        found |= dict(_by_digest(session, tenant, digests))
    return found


def _by_digest(session: Session, tenant: Tenant, digests: Mapping[bytes, str]) -> Iterator[tuple[str, UUID]]:
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("erasure").by_digests(conn, tenant_id=tenant.tenant_id, digests=Bytes.of(digests))
        for mark, subject in rows:
            yield digests[bytes(mark)], subject


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
