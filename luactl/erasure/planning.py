"""What an erasure would take and what a duty keeps: counted first, carried out from the very same object.

A plan is always of many people at once, of whom there may be one. It changes nothing and opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .. import hold, line
from .. import instruction as instructions
from ..db import Session, queries, transaction
from ..errors import NotFoundError, RefusedError, UsageError
from ..key.classes import KeyClass
from ..pack import Uuids, teach
from ..retention.register import read as read_rules
from ..retention.rule import Rule, due_at
from . import record
from .digest import plan_digest

if TYPE_CHECKING:
    from ..tenant import Tenant

TABLES = ("crm.contact", "crm.contact_key", "crm.interaction")
USER_TABLES = ("crm.app_user", "crm.user_role", "crm.user_session", "crm.user_token")
"""Few people are users of the CRM: these are named where rows of theirs go."""
PERSON, SPECIAL = "person", "special"
WHOLE = (PERSON, SPECIAL)
"""Scopes that many people share one epoch for; any other is one category of their data."""
INTERACTION, CONTACT_FIELD = "interaction", "contact.personal."
NAMED = 5


@dataclass(frozen=True)
class Going:
    """Rows of one table that go."""

    table: str
    rows: int


@dataclass(frozen=True)
class Dropping:
    """Keys of one class that are destroyed."""

    key_class: str
    keys: int


@dataclass(frozen=True)
class Staying:
    """What a legal duty keeps, for one period."""

    table: str
    period: int
    """Year of issue."""
    rows: int
    """Invoices."""
    lines: int
    """Their lines."""
    ground: str
    """The duty."""
    until: datetime | None
    """When the purge takes it; None when the rule has no end."""
    readable_by: str = "lua_accounting"
    """The one role that sees it."""


@dataclass(frozen=True)
class Held:
    """Somebody who was asked for and is left out, because a hold binds."""

    subject_id: UUID
    hold_id: UUID
    ground: str
    """Why the hold was placed."""


@dataclass(frozen=True)
class ErasurePlan:
    """What an erasure does."""

    tenant_id: int
    tenant: str
    """Slug."""
    subject_id: UUID | None
    """The person, when it is one; None when they are many."""
    instruction: str
    """Where the controller's instruction is found."""
    instruction_on_record: bool
    """Whether it is one of `luactl instruction list`, in force."""
    state: str
    """planned; unfinished: begun and cut short; erased: nothing is left to do."""
    erasure_id: UUID | None
    """Set unless the state is planned."""
    going: tuple[Going, ...]
    keys: tuple[str, ...]
    """Key classes of these people whose keys are destroyed."""
    staying: tuple[Staying, ...]
    scope: str
    """person: all but what a duty keeps; special: what is sealed under that class (Art. 9) alone; interaction
    or contact.personal.FIELD: that category."""
    digest: str
    """What an approval is bound to, SHA-256 in hex: people asked for, scope, rules and instruction."""
    people: int
    """How many of them are erased by it."""
    before: int
    """How many of them were erased before."""
    held: tuple[Held, ...]
    """Who is left out, and why."""
    dropping: tuple[Dropping, ...]
    """How many keys are destroyed, by class."""
    subjects: tuple[UUID, ...]
    """Everybody asked for, in the order of ids."""
    request: UUID | None = None
    """The person's own request that it carries out; None when the tenant's instruction alone is."""
    other_requests: int = 0
    """Open requests of these people beside it: after the erasure nothing is left to answer them with."""


@dataclass(frozen=True)
class Rows:
    """What becomes of people's rows, as it is at one moment."""

    going: tuple[Going, ...]
    staying: tuple[Staying, ...]
    kept: frozenset[UUID]
    """Who has an invoice that stays: their accounting key lives on."""


def plan(
    session: Session,
    tenant: Tenant,
    subjects: UUID | Collection[UUID],
    instruction: str,
    *,
    scope: str = PERSON,
    request: UUID | None = None,
) -> ErasurePlan:
    """Return what erasing these people means; changes nothing, opens nothing.

    `request` is the one that it carries out: `plan_request` makes such plans, and knows what they need.
    Raises NotFoundError for unknown subjects, UsageError for nobody at all or an instruction that is no line
    of text, RefusedError for one on record that is not in force, and where nobody has data of the class.
    """
    asked = tuple(sorted({subjects} if isinstance(subjects, UUID) else set(subjects)))
    if not asked:
        raise UsageError("nobody was named", hint="name a subject, a file of them, or everybody with --all")
    reference = line.checked("instruction", instruction)
    if scope not in WHOLE:
        from .category import checked

        checked(scope)
    teach(session.conn)
    with transaction(session, tenant.tenant_id) as conn:
        on_record = _check_instruction(session, tenant, reference)
        known = _known(conn, tenant.tenant_id, asked, scope)
        reference = known.instruction if known and len(asked) == 1 else reference
        rules = read_rules(conn, tenant.tenant_id)
        digest = plan_digest(tenant.tenant_id, scope, asked, rules, reference, request)
        known = known or record.of_digest(conn, tenant.tenant_id, digest)
        living = _living(conn, tenant, asked)
        held = _held(conn, tenant.tenant_id, living)
        free = tuple(one for one in living if one not in {out.subject_id for out in held})
        rows = weigh(conn, tenant.tenant_id, free, scope, session.clock.now())
        dropping = _dropping(conn, tenant.tenant_id, free, scope, rows.kept)
        others = _other_requests(conn, tenant.tenant_id, free, request)
    if scope == SPECIAL and not dropping and not held and known is None:
        raise RefusedError("none of these people has data of class special", hint="nothing was changed")
    return ErasurePlan(
        tenant_id=tenant.tenant_id,
        tenant=tenant.slug,
        subject_id=asked[0] if len(asked) == 1 else None,
        instruction=reference,
        instruction_on_record=on_record,
        state="planned" if known is None else "erased" if known.state == "done" else "unfinished",
        erasure_id=known.erasure_id if known else None,
        going=rows.going,
        keys=tuple(sorted(one.key_class for one in dropping)),
        staying=rows.staying,
        scope=scope,
        digest=digest,
        people=len(free),
        before=len(asked) - len(living),
        held=held,
        dropping=dropping,
        subjects=asked,
        request=request,
        other_requests=others,
    )


def _held(conn: Any, tenant_id: int, living: Collection[UUID]) -> tuple[Held, ...]:
    """Return who of these people cannot be erased now, each with the first of the holds that say so."""
    found = hold.held(conn, tenant_id, living)
    return tuple(Held(one, found[one][0].hold_id, found[one][0].ground) for one in sorted(found))


def _other_requests(conn: Any, tenant_id: int, people: Sequence[UUID], request: UUID | None) -> int:
    ids = Uuids.of(people)
    count = queries("erasure").open_requests(conn, tenant_id=tenant_id, ids=ids, request_id=request)
    return int(count)


def everybody(session: Session, tenant: Tenant) -> tuple[UUID, ...]:
    """Return every living subject of a tenant, in the order of ids."""
    with transaction(session, tenant.tenant_id) as conn:
        rows = queries("erasure").living_subjects(conn, tenant_id=tenant.tenant_id)
        return tuple(row[0] for row in rows)


def weigh(conn: Any, tenant_id: int, living: Sequence[UUID], scope: str, now: datetime) -> Rows:
    """Count in the running transaction which rows of these people go, and what stays."""
    noun, who = queries("erasure"), {"tenant_id": tenant_id, "ids": Uuids.of(living)}
    if scope == INTERACTION:
        return Rows((Going("crm.interaction", noun.counts(conn, **who)[2]),), (), frozenset())
    if scope != PERSON:
        return Rows((), (), frozenset())
    going = gone(noun.counts(conn, **who))
    rules = {rule.retention_class: rule for rule in read_rules(conn, tenant_id)}
    staying = tuple(_staying(rules["invoice"], now, *row[:3]) for row in noun.invoices(conn, **who))
    return Rows(going, staying, billed(conn, tenant_id, living) if staying else frozenset())


def gone(counts: Sequence[int]) -> tuple[Going, ...]:
    """Return what goes, of the counts of rows of `TABLES` and `USER_TABLES`."""
    named = zip((*TABLES, *USER_TABLES), counts, strict=True)
    return tuple(Going(table, rows) for table, rows in named if rows or table in TABLES)


def billed(conn: Any, tenant_id: int, living: Sequence[UUID]) -> frozenset[UUID]:
    """Return those of these people who have an invoice that stays, in the running transaction."""
    rows = queries("erasure").billed(conn, tenant_id=tenant_id, ids=Uuids.of(living))
    return frozenset(row[0] for row in rows)


def classes(scope: str) -> set[KeyClass]:
    """Return the classes whose keys go; accounting only where the person has no invoice left to keep."""
    if scope != PERSON:
        return {KeyClass.SPECIAL if scope == SPECIAL else KeyClass.MAIN}
    return {KeyClass.MAIN, KeyClass.SPECIAL, KeyClass.ACCOUNTING}


def _dropping(
    conn: Any, tenant_id: int, living: Sequence[UUID], scope: str, kept: frozenset[UUID]
) -> tuple[Dropping, ...]:
    noun = queries("erasure")
    rows = list(noun.key_counts(conn, tenant_id=tenant_id, ids=Uuids.of(living)))
    if kept:
        free = Uuids.of([one for one in living if one not in kept])
        accounting = noun.key_counts(conn, tenant_id=tenant_id, ids=free)
        rows = [row for row in rows if row[0] != KeyClass.ACCOUNTING]
        rows += [row for row in accounting if row[0] == KeyClass.ACCOUNTING]
    going = classes(scope)
    return tuple(Dropping(KeyClass(row[0]).label, row[1]) for row in sorted(rows) if row[0] in going)


def _staying(rule: Rule, now: datetime, period: int, invoices: int, lines: int) -> Staying:
    until = due_at(rule, period)
    ended = " (ended: the next purge takes it)" if until is not None and until <= now else ""
    return Staying("crm.invoice", period, invoices, lines, rule.basis + ended, until)


def _known(conn: Any, tenant_id: int, asked: Sequence[UUID], scope: str) -> record.Erasure | None:
    """Return the erasure that took the one person who is asked for."""
    if len(asked) == 1 and scope == PERSON:
        return record.of_subject(conn, tenant_id, asked[0])
    return None


def _living(conn: Any, tenant: Tenant, asked: Sequence[UUID]) -> tuple[UUID, ...]:
    """Return those who live. Raises NotFoundError when the tenant does not know one of them."""
    rows = queries("erasure").statuses(conn, tenant_id=tenant.tenant_id, ids=Uuids.of(asked))
    found = dict(rows)
    if missing := [str(one) for one in asked if one not in found]:
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        raise NotFoundError(
            f"{tenant.slug!r} has no subject {', '.join(missing[:NAMED])}{more}",
            hint="`luactl subject find` tells a person's id",
        )
    return tuple(one for one in asked if found[one] == "active")


def _check_instruction(session: Session, tenant: Tenant, reference: str) -> bool:
    """Tell whether the instruction is on record. Raises RefusedError when it is, but not in force."""
    found = [one for one in instructions.read(session, tenant.tenant_id) if one.reference == reference]
    if found and not found[0].in_force(session.clock.now()):
        raise RefusedError(
            f"the instruction {reference!r} of {tenant.slug!r} is not in force",
            hint=f"`luactl instruction list --tenant {tenant.slug}` shows which are",
        )
    return bool(found)
