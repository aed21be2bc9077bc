"""Interactions: what passed between a tenant and a person, imported from a table and listed.

An interaction has no number of its own. Its id is made from the instant and a keyed digest of all it says, so
the same record never goes in twice and an interrupted import is finished by repeating it. The digest's key
dies with the person's key and with the period's: an id in an old backup must not tell what was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hmac import digest
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..db import Session, queries, transaction
from ..key.derive import hkdf_unsalted
from ..table import Origin, Progress, batched, fold, nothing, open_table
from . import names
from .ids import uuid7_of
from .job import ImportJob
from .opening import PURPOSE, Sealed, record_and_open
from .people import external_marks, subjects_of
from .reading import fields_of, new_tally
from .report import Options, RejectedError, Report, Tally
from .retry import again
from .value import parse_moment
from .view import Listing

if TYPE_CHECKING:
    from ..key import PeriodKey, SubjectKey
    from ..key.seal import Sealer
    from ..tenant import Tenant

ACTION = "crm.interaction.import"
KINDS = {fold(word): kind for kind, words in names.KINDS for word in (kind, *words.split(","))}
TABLE = "crm.interaction"
ID_INFO = b"luactl/1|row-id|crm.interaction"


@dataclass(frozen=True, slots=True)
class Interaction:
    """A checked record: its line, the digest of its customer's external id, kind, instant and fields.

    `digest` (32 bytes) stands for all of it, in this process only.
    """

    line: int
    customer: bytes
    kind: str
    occurred_at: datetime
    fields: dict[str, str]
    digest: bytes

    @property
    def period(self) -> int:
        """The month of occurrence in UTC, yyyymm."""
        return self.occurred_at.year * 100 + self.occurred_at.month

    def id_under(self, subject_key: SubjectKey, period_key: PeriodKey) -> UUID:
        """Return the row's id, by the keys that seal the row."""
        key = hkdf_unsalted(subject_key.key + period_key.key, ID_INFO)
        return uuid7_of(self.occurred_at, digest(key, self.digest, "sha256"))


@dataclass
class Job(ImportJob):
    """One import of interactions while it runs."""

    seen: set[bytes]


def import_interactions(
    session: Session, tenant: Tenant, origin: Origin, options: Options, progress: Progress = nothing
) -> Report:
    """Import interactions of customers that are there; customers are named by their external ids.

    Raises what `import_customers` raises.
    """
    from ..key import open_tenant
    from ..tenant import active

    active(session, tenant.slug)
    required = ("customer", "occurred_at")
    with open_table(origin, names.INTERACTION, options.columns, required) as (table, columns):
        with transaction(session, tenant.tenant_id):
            keys = open_tenant(session, tenant.tenant_id)
        job = Job(session, tenant, table, columns, keys, new_tally(table, columns), set())
        size = max(table.source.lines(), 1) if options.all_or_nothing else options.batch
        for batch in batched(read_interactions(job), size):
            again(partial(_import_batch, job, batch, options))
            progress(len(batch))
        if options.all_or_nothing and job.tally.rejected:
            raise RejectedError(job.tally.report(dry_run=True))
        return job.tally.report(dry_run=options.dry_run)


def read_interactions(job: Job) -> Iterator[Interaction]:
    """Yield the good records of the table; the others are counted as rejected, repeated ones as there."""
    mark_of = external_marks(job.keys)
    for line, fields in fields_of(job.table, job.columns, job.tally):
        try:
            found = _checked(line, fields, mark_of(fields.pop("customer", "")), job.keys.unique_key)
        except ValueError as error:
            job.tally.reject(line, str(error))
            continue
        if found.digest in job.seen:
            job.tally.rows += 1
            job.tally.already_there += 1
            continue
        job.seen.add(found.digest)
        yield found


def _checked(line: int, fields: dict[str, str], customer: bytes | None, key: bytes) -> Interaction:
    from ..key.seal import encode

    if customer is None:
        raise ValueError("customer is empty")
    kind = KINDS.get(fold(fields.pop("kind", "note")))
    if kind is None:
        raise ValueError(f"kind is none of {', '.join(kind for kind, _ in names.KINDS)}")
    try:
        at = parse_moment(fields.pop("occurred_at", ""))
    except ValueError as error:
        raise ValueError(f"occurred_at {error}") from None
    if not fields:
        raise ValueError("subject and text are both empty")
    content = customer + kind.encode() + b"\0" + at.isoformat().encode() + b"\0" + encode(fields)
    mark = digest(key, b"v1interaction" + content, "sha256")
    try:
        uuid7_of(at, mark)
    except ValueError as error:
        raise ValueError(f"occurred_at {error}") from None
    return Interaction(line, customer, kind, at, fields, mark)


def _import_batch(job: Job, batch: list[Interaction], options: Options) -> None:
    """Write those of a batch that are new and whose customer is known, and count them all."""
    from ..tenant import active

    active(job.session, job.tenant.slug)
    with transaction(job.session, job.tenant.tenant_id):
        fresh, subjects, strangers = _sort_out(job, batch)
    spoilt = options.all_or_nothing and bool(strangers or job.tally.rejected)
    if fresh and not spoilt and not options.dry_run:
        _write(job, fresh, subjects, len(batch) - len(fresh) - len(strangers))
    _account(job.tally, batch, fresh, strangers)


def _account(
    tally: Tally, batch: list[Interaction], fresh: list[Interaction], strangers: list[Interaction]
) -> None:
    for one in strangers:
        tally.reject(one.line, "no customer has this external id")
    tally.rows += len(batch) - len(strangers)
    tally.imported += len(fresh)
    tally.already_there += len(batch) - len(fresh) - len(strangers)
    tally.transactions += bool(fresh)


def _sort_out(
    job: Job, batch: list[Interaction]
) -> tuple[list[Interaction], dict[bytes, UUID], list[Interaction]]:
    """Return the new ones, the subjects of their customers, and those whose customer is unknown."""
    tenant_id = job.tenant.tenant_id
    subjects = subjects_of(job.session, tenant_id, {one.customer for one in batch})
    known = [one for one in batch if one.customer in subjects]
    ids = _present_ids(job, known, subjects)
    rows = queries("crm").known_interactions(
        job.session.conn, tenant_id=tenant_id, interaction_ids=list(ids.values())
    )
    there = {row[0] for row in rows}
    strangers = [one for one in batch if one.customer not in subjects]
    fresh = [one for one in known if ids.get(one.digest) not in there]
    return fresh, subjects, strangers


def _present_ids(job: Job, interactions: list[Interaction], subjects: dict[bytes, UUID]) -> dict[bytes, UUID]:
    """Return the id of each interaction by its digest; nothing stands yet in a period without a key."""
    from ..key import KeyClass, RetentionClass

    living = job.keys.subjects(sorted({subjects[one.customer] for one in interactions}), KeyClass.MAIN)
    periods = {
        number: job.keys.existing_period(RetentionClass.INTERACTION, number)
        for number in {one.period for one in interactions}
    }
    return {
        one.digest: one.id_under(who, period)
        for one in interactions
        if (who := living.get(subjects[one.customer])) and (period := periods[one.period])
    }


def _write(job: Job, fresh: list[Interaction], subjects: dict[bytes, UUID], already_there: int) -> None:
    from ..key import RetentionClass
    from ..ledger import Entry, append
    from ..ledger.entry import new_id

    for period in sorted({one.period for one in fresh}):
        job.keys.period(RetentionClass.INTERACTION, period)
    entry_id = new_id(job.session.clock.now())
    detail = {"imported": len(fresh), "already_there": already_there}
    about = f"tenant:{job.tenant.slug}"
    with transaction(job.session, job.tenant.tenant_id):
        _insert(job, fresh, [subjects[one.customer] for one in fresh], entry_id)
        append(job.session, Entry(ACTION, job.tenant.tenant_id, about, detail=detail, id=entry_id))


def _insert(job: Job, fresh: list[Interaction], people: list[UUID], entry_id: UUID) -> None:
    from .. import subject
    from ..key import KeyClass, RetentionClass

    subject.lock(job.session, job.tenant.tenant_id, people)
    living = job.keys.subjects(sorted(set(people)), KeyClass.MAIN)
    periods = {
        number: job.keys.period(RetentionClass.INTERACTION, number)
        for number in sorted({one.period for one in fresh})
    }
    sealers = {number: _sealer(job, period) for number, period in periods.items()}
    ids = [one.id_under(living[who], periods[one.period]) for one, who in zip(fresh, people, strict=True)]
    queries("crm").insert_interactions(
        job.session.conn,
        tenant_id=job.tenant.tenant_id,
        entry_id=entry_id,
        at=job.session.clock.now(),
        interaction_ids=ids,
        subject_ids=people,
        kinds=[one.kind for one in fresh],
        moments=[one.occurred_at for one in fresh],
        periods=[one.period for one in fresh],
        personals=[
            sealers[one.period].seal(who, living[who], row, one.fields)
            for one, who, row in zip(fresh, people, ids, strict=True)
        ],
    )


def _sealer(job: Job, period: PeriodKey) -> Sealer:
    from ..key import KeyClass
    from ..key.seal import Sealer

    return Sealer(job.tenant.tenant_id, TABLE, "personal", KeyClass.MAIN, period)


@dataclass(frozen=True)
class InteractionView:
    """One interaction of a living person, opened."""

    interaction_id: UUID
    subject_id: UUID
    kind: str
    occurred_at: datetime
    subject: str | None
    text: str | None


def list_interactions(
    session: Session, tenant: Tenant, limit: int, subject_id: UUID | None = None, purpose: str = PURPOSE
) -> Listing:
    """Return up to `limit` interactions (0: all), the latest first; of one person if one is given."""
    from ..subject.sealed import INTERACTION

    with transaction(session, tenant.tenant_id) as conn:
        rows: list[Any] = list(
            queries("crm").list_interactions(
                conn, tenant_id=tenant.tenant_id, subject_id=subject_id, limit=limit + 1 if limit else None
            )
        )
    shown = rows[:limit] if limit else rows
    sealed = [Sealed(row[1], row[0], row[4]) for row in shown]
    opened = record_and_open(session, tenant.tenant_id, INTERACTION, sealed, purpose)
    views = [
        InteractionView(
            row[0], row[1], row[2], row[3].astimezone(UTC), fields.get("subject"), fields.get("text")
        )
        for row, fields in zip(shown, opened, strict=True)
        if fields is not None
    ]
    return Listing(tuple(views), len(rows) > len(shown))
