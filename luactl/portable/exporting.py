"""Handing over everything that a tenant keeps: data, a receipt, and the ledger entry that names both.

The people come last. So everybody whose rows were written is among them; and whoever was erased while the
rest was written is noticed: then nothing is handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import certificate
from ..certificate.evidence import issue
from ..certificate.folder import Attachment, beside, tidy
from ..db import Session, queries, transaction
from ..errors import BusyError, RefusedError
from ..table import Progress, nothing
from . import pages, receipt, secrets
from .sheet import Sheet

if TYPE_CHECKING:
    from ..tenant import Tenant

Source = Callable[[], Iterable[dict[str, Any]]]
KIND = "export"
PURPOSE = "return of the tenant's data"
NEEDED = (("contacts", "lua_operator"), ("interactions", "lua_operator"), ("invoices", "lua_accounting"))
FILES = (
    "contacts.jsonl", "interactions.jsonl", "invoices.jsonl", "users.jsonl", "sessions.jsonl",
    "subjects.jsonl", "tenant.json",
)  # fmt: skip


@dataclass(frozen=True)
class File:
    """One file of data."""

    name: str
    rows: int
    bytes: int
    sha256: str
    """In hex; of a plan empty."""


@dataclass(frozen=True)
class Export:
    """What was handed over, or what would be."""

    export_id: UUID | None
    """None as long as it is planned."""
    tenant: str
    """Slug."""
    folder: str
    """Where it lies."""
    purpose: str
    """Why the data were read, as the ledger says it."""
    files: tuple[File, ...]
    pending: str | None
    """Why the receipt lacks signature or proof; None when it is complete."""
    secrets: dict[str, Any]
    """How many `credentials` and API `tokens` work, and whether the credentials are `included`."""

    @property
    def about_secrets(self) -> list[str]:
        """The same in words, where there are any."""
        return secrets.texts(self.secrets) if self.secrets["credentials"] or self.secrets["tokens"] else []


def export(
    session: Session,
    tenant: Tenant,
    folder: Path,
    purpose: str = PURPOSE,
    *,
    secrets_to: bytes | None = None,
    dry_run: bool = False,
    progress: Progress = nothing,
) -> Export:
    """Write everything that the tenant keeps into a new folder of mode 0700; `progress` is told rows.

    `secrets_to` is the X25519 key of whoever gets the tenant's credentials; without it they are left out.
    Every value is opened after its reading was recorded. Raises RefusedError when the login may not read all
    of it, off a key host, or when something stands in the folder's place; BusyError when somebody was erased
    meanwhile; LuactlError when the disk does not take it. Whatever it raises, no folder is left.
    """
    from ..ledger import new_id

    if not dry_run:
        tidy(folder)
    certificate.check_free(folder, None)
    with transaction(session, tenant.tenant_id) as conn:
        _demand_rights(queries("portable").may(conn))
        counts = queries("portable").counts(conn, tenant_id=tenant.tenant_id)
        erased = queries("portable").erased(conn, tenant_id=tenant.tenant_id)
    known = secrets.standing(session, tenant)
    if dry_run:
        planned = _planned(counts)
        if secrets_to is not None:
            planned += (File(secrets.FILE, len(known.credentials), 0, ""),)
        return Export(None, tenant.slug, str(folder), purpose, planned, None, known.stated(secrets_to))
    export_id = new_id(session.clock.now())
    with beside(folder, "export") as place:
        sources = _sources(session, tenant, purpose)
        if secrets_to is not None:
            to = secrets_to
            sources[secrets.FILE] = lambda: secrets.rows(session, tenant, export_id, to, purpose)
        files = _write_files(place, sources, progress)
        with transaction(session, tenant.tenant_id) as conn:
            if queries("portable").erased(conn, tenant_id=tenant.tenant_id) != erased:
                raise BusyError(
                    "somebody was erased while their data were written; nothing was handed over",
                    hint="run it again",
                )
        handed = {file.name: file.rows for file in files}
        said = known.stated(secrets_to)
        said["credentials"] = handed.get(secrets.FILE, said["credentials"])
        stated = receipt.facts(session, tenant, export_id, purpose, files, said)
        pending = _hand_over(session, tenant, export_id, stated, files, place, folder)
    return Export(export_id, tenant.slug, str(folder), purpose, files, pending, said)


def _demand_rights(may: tuple[bool, ...]) -> None:
    """Raise RefusedError unless all kinds of data can be read: half of it would be no return."""
    for (what, role), allowed in zip(NEEDED, may[:3], strict=True):
        if not allowed:
            raise RefusedError(
                f"this login may not read {what}, so not all of the tenant's data could be handed over",
                hint=f"run it as a login that also has {role}",
            )


def _planned(counts: tuple[int, ...]) -> tuple[File, ...]:
    people, contacts, interactions, invoices, _lines, users, sessions = counts
    rows = (contacts, interactions, invoices, users, sessions, people, 1)
    return tuple(File(name, count, 0, "") for name, count in zip(FILES, rows, strict=True))


def _sources(session: Session, tenant: Tenant, purpose: str) -> dict[str, Source]:
    """Return what gives the rows of each file, in the order in which they are written."""
    sources: tuple[Source, ...] = (
        lambda: pages.contacts(session, tenant, purpose),
        lambda: pages.interactions(session, tenant, purpose),
        lambda: pages.invoices(session, tenant, purpose),
        lambda: pages.users(session, tenant, purpose),
        lambda: pages.sessions(session, tenant),
        lambda: pages.subjects(session, tenant),
        lambda: [receipt.register(session, tenant)],
    )
    return dict(zip(FILES, sources, strict=True))


def _write_files(place: Path, sources: Mapping[str, Source], progress: Progress) -> tuple[File, ...]:
    written = []
    for name, rows in sources.items():
        with Sheet(place / name) as sheet:
            for row in rows():
                sheet.add(row)
                progress(1)
        written.append(File(name, sheet.rows, sheet.bytes, sheet.sha256))
    return tuple(written)


def _hand_over(
    session: Session,
    tenant: Tenant,
    export_id: UUID,
    stated: dict[str, Any],
    files: tuple[File, ...],
    place: Path,
    folder: Path,
) -> str | None:
    """Record the export, then put the folder in its place; returns why the receipt is pending, or None."""
    from ..ledger import Entry, append

    stated_bytes = certificate.canonical(stated)
    detail = {"certificate": sha256(stated_bytes).hexdigest(), "rows": sum(file.rows for file in files)}
    entry = Entry(
        "tenant.export", tenant.tenant_id, f"{KIND}:{export_id}", purpose=stated["purpose"], detail=detail
    )
    with transaction(session, durable=True):
        entry_id = append(session, entry)
    attached = {file.name: Attachment(place / file.name, file.sha256) for file in files}
    act = certificate.Act(KIND, str(export_id), stated_bytes, receipt.document(stated), attached)
    return issue(session, act, entry_id, folder)
