"""Taking an export in: a tenant is made or filled from it, with the same ids, times and values, sealed anew.

A batch is one transaction with its ledger entry. What is there already stays as it is, so that what was cut
short is finished by repeating it. Who was erased here since is not brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import subject
from ..db import Session, queries, transaction
from ..errors import RefusedError
from ..key import KeyClass, RetentionClass
from ..key.blind import Indexer, external_digest, version_for
from ..key.seal import Sealer
from ..ledger import Entry, append
from ..ledger.entry import new_id
from ..table import Progress, nothing
from . import secrets, users
from .bundle import Bundle
from .form import Row
from .setting import Setting, plan_setting, set_up

if TYPE_CHECKING:
    from ..key import TenantKeys
    from ..key.person import PersonKey
    from ..tenant import Tenant
    from .secrets import Opened, Taken

BATCH = 1_000
ACTION = "tenant.import-data"


@dataclass(frozen=True)
class DataImport:
    """What taking an export in does, or did."""

    export_id: UUID
    tenant: str
    """Slug of the tenant that is filled."""
    creates_tenant: bool
    """Whether the tenant was not there yet."""
    settings: tuple[str, ...]
    """Deletion rules and instructions that are set as they were, in words."""
    rows: dict[str, int]
    """Rows of the export by file."""
    written: dict[str, int]
    """Rows that went in by file; of a plan those that would."""
    left_out: int
    """Rows of people who are erased in this tenant by now."""
    secrets: Taken | None
    """What became of the credentials; None when nobody asked for them."""


@dataclass(frozen=True)
class _Job:
    session: Session
    tenant: Tenant
    keys: TenantKeys
    bundle: Bundle
    erased_here: frozenset[UUID]
    """People of the export who live in it, but are erased in this tenant."""

    def of(self, rows: Sequence[Row], id_name: str, known: str) -> list[Row]:
        """Return those rows that are not there yet and whose person was not erased here; in a transaction."""
        ask = getattr(queries("portable"), known)
        ids = [row[id_name] for row in rows]
        there = {row[0] for row in ask(self.session.conn, tenant_id=self.tenant.tenant_id, ids=ids)}
        return [
            row for row in rows if row[id_name] not in there and row["subject_id"] not in self.erased_here
        ]


def import_data(
    session: Session,
    bundle: Bundle,
    slug: str,
    *,
    person: PersonKey | None = None,
    dry_run: bool = False,
    progress: Progress = nothing,
) -> DataImport:
    """Fill the tenant of that slug, made from the export if there is none; `progress` is told rows.

    With `person`, the key pair that the export's credentials were sealed to, these go in too.

    Raises RefusedError when the login may not write all of it, when the tenant holds people that are not in
    the export or is not active, and off a key host; SealError when a credential does not open.
    """
    with transaction(session) as conn:
        if not all(queries("portable").may(conn)):
            raise RefusedError(
                "this login may not write all of a tenant's data",
                hint="run it as a login that has lua_operator and lua_accounting",
            )
    setting = plan_setting(session, bundle.tenant, slug)
    erased_here = _compare(session, setting, bundle)
    credentials = None if person is None else secrets.opened(bundle.export_id, bundle.secrets, person)
    if dry_run:
        planned = _take_secrets(session, setting.tenant, credentials, dry_run=True)
        return _report(bundle, setting, bundle.rows, 0, planned)
    tenant = set_up(session, setting)
    from ..key import open_tenant
    from ..tenant import active

    active(session, slug)
    with transaction(session, tenant.tenant_id):
        keys = open_tenant(session, tenant.tenant_id)
    job = _Job(session, tenant, keys, bundle, erased_here)
    index_version = version_for(max(bundle.rows["contacts.jsonl"], 1))
    indexer = Indexer(keys.index_key, index_version, tenant.country)
    steps: dict[str, Callable[[Sequence[Row]], int]] = {
        "subjects.jsonl": lambda rows: _subjects(job, rows),
        "contacts.jsonl": lambda rows: _contacts(job, indexer, rows),
        "interactions.jsonl": lambda rows: _interactions(job, rows),
        "invoices.jsonl": lambda rows: _invoices(job, rows),
        "users.jsonl": lambda rows: _users(job, rows),
        "sessions.jsonl": lambda rows: _sessions(job, rows),
    }
    written, seen = dict.fromkeys(steps, 0), 0
    for name, step in steps.items():
        rows = bundle.read(name)
        while batch := list(islice(rows, BATCH)):
            written[name] += step(batch)
            seen += sum(row["subject_id"] in erased_here for row in batch) if name != "subjects.jsonl" else 0
            progress(len(batch))
    return _report(bundle, setting, written, seen, _take_secrets(session, tenant, credentials))


def _take_secrets(
    session: Session, tenant: Tenant | None, found: Sequence[Opened] | None, *, dry_run: bool = False
) -> Taken | None:
    return None if found is None else secrets.take_in(session, tenant, found, dry_run=dry_run)


def _report(
    bundle: Bundle, setting: Setting, written: dict[str, int], left_out: int, taken: Taken | None
) -> DataImport:
    return DataImport(
        bundle.export_id,
        setting.slug,
        setting.new is not None,
        setting.said,
        bundle.rows,
        written,
        left_out,
        taken,
    )


def _compare(session: Session, setting: Setting, bundle: Bundle) -> frozenset[UUID]:
    """Return who is erased in the tenant but lives in the export.

    Raises RefusedError when the tenant keeps somebody whom the export does not know: data never mix.
    """
    from . import pages

    if setting.tenant is None:
        return frozenset()
    erased = set()
    for row in pages.subjects(session, setting.tenant):
        if row["subject_id"] not in bundle.subjects:
            raise RefusedError(
                f"tenant {setting.slug} keeps people who are not in the export, and data never mix",
                hint="take the export in under another slug",
            )
        if row["status"] == "erased" and not bundle.subjects[row["subject_id"]]:
            erased.add(row["subject_id"])
    return frozenset(erased)


def _record(job: _Job, entry_id: UUID, file: str, rows: int) -> None:
    detail = {"export": str(job.bundle.export_id), "file": file, "rows": rows}
    about = f"tenant:{job.tenant.slug}"
    append(job.session, Entry(ACTION, job.tenant.tenant_id, about, detail=detail, id=entry_id))


def _common(job: _Job) -> dict[str, Any]:
    return {"tenant_id": job.tenant.tenant_id, "entry_id": new_id(job.session.clock.now())}


def _subjects(job: _Job, rows: Sequence[Row]) -> int:
    ids = [row["subject_id"] for row in rows]
    with transaction(job.session, job.tenant.tenant_id) as conn:
        there = {
            one[0] for one in queries("portable").statuses(conn, tenant_id=job.tenant.tenant_id, ids=ids)
        }
    fresh = [row for row in rows if row["subject_id"] not in there]
    if not fresh:
        return 0
    living = [row["subject_id"] for row in fresh if row["status"] == "active"]
    job.keys.reserve(KeyClass.MAIN, len(living))
    common = _common(job)
    with transaction(job.session, job.tenant.tenant_id) as conn:
        queries("portable").insert_subjects(
            conn,
            **common,
            ids=[row["subject_id"] for row in fresh],
            statuses=[row["status"] for row in fresh],
            created=[row["created_at"] for row in fresh],
            erased=[row["erased_at"] for row in fresh],
        )
        job.keys.claim(living, KeyClass.MAIN)
        _record(job, common["entry_id"], "subjects.jsonl", len(fresh))
    return len(fresh)


def _contacts(job: _Job, indexer: Indexer, rows: Sequence[Row]) -> int:
    period = job.keys.period(RetentionClass.CONTACT, 0)
    sealer = Sealer(job.tenant.tenant_id, "crm.contact", "personal", KeyClass.MAIN, period)
    common = _common(job)
    with transaction(job.session, job.tenant.tenant_id) as conn:
        fresh = job.of(rows, "contact_id", "known_contacts")
        if not fresh:
            return 0
        people = [row["subject_id"] for row in fresh]
        subject.lock(job.session, job.tenant.tenant_id, people)
        keys = job.keys.subjects(sorted(set(people)), KeyClass.MAIN)
        found = [subject.indexes(indexer, row["fields"]) for row in fresh]
        queries("portable").insert_contacts(
            conn,
            **common,
            index_version=indexer.widths.version,
            ids=[row["contact_id"] for row in fresh],
            subject_ids=people,
            personals=[
                sealer.seal(row["subject_id"], keys[row["subject_id"]], row["contact_id"], row["fields"])
                for row in fresh
            ],
            emails=[email for email, _, _ in found],
            phones=[_set(phones) for _, phones, _ in found],
            names=[_set(names) for _, _, names in found],
            created=[row["created_at"] for row in fresh],
            updated=[row["updated_at"] for row in fresh],
        )
        _external_ids(job, fresh)
        _record(job, common["entry_id"], "contacts.jsonl", len(fresh))
    return len(fresh)


def _set(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _external_ids(job: _Job, rows: Sequence[Row]) -> None:
    """Write the digests by which external ids are found and kept unique."""
    marks = {
        mark: row["subject_id"]
        for row in rows
        if (mark := external_digest(job.keys.unique_key, str(row["fields"].get("external_id") or "")))
    }
    queries("crm").insert_contact_keys(
        job.session.conn,
        tenant_id=job.tenant.tenant_id,
        digests=list(marks),
        subject_ids=list(marks.values()),
    )


def _users(job: _Job, rows: Sequence[Row]) -> int:
    job.keys.period(RetentionClass.CONTACT, 0)
    common = _common(job)
    width = version_for(max(job.bundle.rows["users.jsonl"], 1))
    with transaction(job.session, job.tenant.tenant_id):
        fresh = job.of(rows, "user_id", "known_users")
        if fresh:
            users.write(job.session, job.tenant, job.keys, width, fresh, common["entry_id"])
            _record(job, common["entry_id"], "users.jsonl", len(fresh))
    return len(fresh)


def _sessions(job: _Job, rows: Sequence[Row]) -> int:
    kept, tenant_id = 0, job.tenant.tenant_id
    with transaction(job.session, tenant_id):
        if fresh := job.of(rows, "session_id", "known_sessions"):
            kept = users.keep_sessions(job.session, tenant_id, fresh)
            _record(job, _common(job)["entry_id"], "sessions.jsonl", kept)
    return kept


def _month(at: datetime) -> int:
    from datetime import UTC

    moment = at.astimezone(UTC)
    return moment.year * 100 + moment.month


def _interactions(job: _Job, rows: Sequence[Row]) -> int:
    with transaction(job.session, job.tenant.tenant_id):
        fresh = job.of(rows, "interaction_id", "known_interactions")
    if not fresh:
        return 0
    months = [_month(row["occurred_at"]) for row in fresh]
    sealer_of = _sealers(job, "crm.interaction", "personal", RetentionClass.INTERACTION, set(months))
    people = [row["subject_id"] for row in fresh]
    common = _common(job)
    with transaction(job.session, job.tenant.tenant_id) as conn:
        subject.lock(job.session, job.tenant.tenant_id, people)
        keys = job.keys.subjects(sorted(set(people)), KeyClass.MAIN)
        _hold(job, RetentionClass.INTERACTION, set(months))
        queries("portable").insert_interactions(
            conn,
            **common,
            ids=[row["interaction_id"] for row in fresh],
            subject_ids=people,
            kinds=[row["kind"] for row in fresh],
            moments=[row["occurred_at"] for row in fresh],
            periods=months,
            personals=[
                sealer_of[month].seal(who, keys[who], row["interaction_id"], row["fields"])
                for row, who, month in zip(fresh, people, months, strict=True)
            ],
            created=[row["created_at"] for row in fresh],
        )
        _record(job, common["entry_id"], "interactions.jsonl", len(fresh))
    return len(fresh)


def _sealers(
    job: _Job, table: str, column: str, retention_class: RetentionClass, numbers: set[int]
) -> dict[int, Sealer]:
    """Return a sealer for each period, claiming new periods; before the transaction that writes."""
    key_class = KeyClass.ACCOUNTING if retention_class.is_duty else KeyClass.MAIN
    return {
        number: Sealer(
            job.tenant.tenant_id, table, column, key_class, job.keys.period(retention_class, number)
        )
        for number in sorted(numbers)
    }


def _hold(job: _Job, retention_class: RetentionClass, numbers: set[int]) -> None:
    """Keep these periods from being purged until the transaction ends."""
    for number in sorted(numbers):
        job.keys.period(retention_class, number)


def _invoices(job: _Job, rows: Sequence[Row]) -> int:
    """Write invoices with their lines; those of erased people too that a duty keeps."""
    with transaction(job.session, job.tenant.tenant_id):
        fresh = job.of(rows, "invoice_id", "known_invoices")
    if not fresh:
        return 0
    years = {row["issued_on"].year for row in fresh}
    sealers = _sealers(job, "crm.invoice", "accounting", RetentionClass.INVOICE, years)
    line_sealers = _sealers(job, "crm.invoice_line", "accounting", RetentionClass.INVOICE, years)
    people = sorted({row["subject_id"] for row in fresh})
    missing = len(people) - len(job.keys.subjects(people, KeyClass.ACCOUNTING))
    job.keys.reserve(KeyClass.ACCOUNTING, missing)
    common = _common(job)
    with transaction(job.session, job.tenant.tenant_id) as conn:
        subject.lock(
            job.session, job.tenant.tenant_id, [who for who in people if not job.bundle.subjects[who]]
        )
        keys = job.keys.claim(people, KeyClass.ACCOUNTING)
        _hold(job, RetentionClass.INVOICE, years)
        queries("portable").insert_invoices(
            conn,
            **common,
            ids=[row["invoice_id"] for row in fresh],
            subject_ids=[row["subject_id"] for row in fresh],
            numbers=[row["number"] for row in fresh],
            dates=[row["issued_on"] for row in fresh],
            currencies=[row["currency"] for row in fresh],
            totals=[row["total"] for row in fresh],
            periods=[row["issued_on"].year for row in fresh],
            accountings=[
                sealers[row["issued_on"].year].seal(
                    row["subject_id"], keys[row["subject_id"]], row["invoice_id"], row["fields"]
                )
                for row in fresh
            ],
            retained=[row["retained_at"] for row in fresh],
            created=[row["created_at"] for row in fresh],
        )
        _lines(job, fresh, line_sealers, keys)
        _record(job, common["entry_id"], "invoices.jsonl", len(fresh))
    return len(fresh)


def _lines(job: _Job, fresh: Sequence[Row], sealers: dict[int, Sealer], keys: dict[UUID, Any]) -> None:
    rows = [(row, line) for row in fresh for line in row["lines"]]
    queries("portable").insert_lines(
        job.session.conn,
        tenant_id=job.tenant.tenant_id,
        ids=[row["invoice_id"] for row, _ in rows],
        line_nos=[line["line_no"] for _, line in rows],
        quantities=[line["quantity"] for _, line in rows],
        prices=[line["unit_price"] for _, line in rows],
        accountings=[
            sealers[row["issued_on"].year].seal(
                row["subject_id"],
                keys[row["subject_id"]],
                f"{row['invoice_id']}/{line['line_no']}",
                line["fields"],
            )
            for row, line in rows
        ],
        retained=[row["retained_at"] for row, _ in rows],
    )
