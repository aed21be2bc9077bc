"""Tenants: the companies whose data Lua CRM keeps. Who they are, how they begin, how they are suspended.

Owns `lua.tenant_directory`, `lua.tenant` and what a tenant is born with. What happens to the data later
belongs to other nouns: rules to `retention`, keys to `key`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg

from . import instruction
from .db import Session, queries, transaction
from .errors import LuactlError, NotFoundError, RefusedError, UsageError
from .instruction import Instruction, checked

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_SLUG = 63
LONGEST_REASON = 500
COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
    BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
    ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
    HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
    LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
    NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
    SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
    UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)
"""Officially assigned codes of ISO 3166-1 alpha-2."""


@dataclass(frozen=True)
class Role:
    """A role that a tenant gives to its own users."""

    role: str
    """Its name."""
    permissions: tuple[str, ...]
    """What it allows, as `thing.verb`."""


@dataclass(frozen=True)
class DeletionRule:
    """How long a tenant keeps data of one class."""

    retention_class: str
    """contact, interaction or invoice."""
    starting_point: str
    """What starts the clock; it runs from the end of that month or year."""
    months: int | None
    """Regular deletion period; None: until erasure."""
    minimum_months: int
    """What a legal duty demands; 0 without one."""
    basis: str
    """Why so long."""


_READ = ("contact.read", "interaction.read")
_WORK = ("contact.write", "interaction.write")
_BOOKS = ("invoice.read", "invoice.write", "report.read")

ROLES = (
    Role(
        "owner", (*_READ, *_WORK, "contact.delete", "contact.export", *_BOOKS, "settings.write", "user.write")
    ),
    Role("manager", (*_READ, *_WORK, "contact.delete", "contact.export", "invoice.read", "report.read")),
    Role("agent", (*_READ, *_WORK)),
    Role("accountant", ("contact.read", *_BOOKS)),
    Role("reader", _READ),
)

_INVOICE_DUTIES = {
    "DE": (96, "s. 147(3) AO, s. 257(4) HGB, s. 14b(1) UStG"),
    "EE": (84, "s. 12 RPS (Accounting Act)"),
}


@dataclass(frozen=True)
class Tenant:
    """One tenant, as it stands in the register."""

    tenant_id: int
    """Below 2^40 for tenants that share tables."""
    slug: str
    """The name in commands, unique."""
    name: str
    """What people call the company."""
    country: str
    """ISO 3166, two letters: whose duties and phone numbers are meant."""
    contact: str
    """Whom notices go to."""
    isolation: str
    """pooled or dedicated."""
    status: str
    """active, suspended or terminated."""
    reason: str | None
    """Why it is in this status."""
    created_at: datetime
    """When it was created."""
    updated_at: datetime
    """When any of this last changed."""


@dataclass(frozen=True)
class NewTenant:
    """What somebody must say to create a tenant. `checked_tenant` says whether it makes sense."""

    slug: str
    """Lower case letters and digits, words joined by hyphens, 2 to 63 characters."""
    name: str
    """1 to 200 characters."""
    country: str
    """ISO 3166, two letters."""
    contact: str
    """1 to 200 characters."""


@dataclass(frozen=True)
class Creation:
    """What creating a tenant does, or did."""

    outcome: Literal["planned", "created", "exists"]
    """`exists`: it was there already with equal attributes, and nothing was done."""
    tenant_id: int | None
    """None as long as it is planned."""
    slug: str
    """The name in commands."""
    name: str
    """What people call the company."""
    country: str
    """ISO 3166, two letters."""
    contact: str
    """Whom notices go to."""
    roles: tuple[Role, ...]
    """Roles for the tenant's own users."""
    rules: tuple[DeletionRule, ...]
    """How long what is kept."""
    instruction: Instruction
    """What the tenant thereby orders."""


@dataclass(frozen=True)
class Detail:
    """A tenant with all that belongs to it, in counts."""

    tenant: Tenant
    """The register's row."""
    roles: tuple[Role, ...]
    """Roles for the tenant's own users."""
    rules: tuple[DeletionRule, ...]
    """How long what is kept."""
    instructions: tuple[Instruction, ...]
    """What the tenant ordered."""
    subjects: int
    """Living data subjects."""
    erased: int
    """Erased data subjects."""
    contacts: int
    """Contacts."""
    interactions: int
    """Interactions."""
    invoices: int
    """Invoices, those included that only a duty keeps."""
    key_no: int
    """Number in the key tree: subtree item 2n, duty subtree item 2n + 1."""
    subject_keys: int
    """Claimed keys of the classes main and special."""
    duty_keys: int
    """Claimed keys of the duty classes."""
    period_keys: int
    """Claimed keys of retention periods."""


@dataclass(frozen=True)
class StatusChange:
    """What suspending or resuming a tenant does, or did."""

    slug: str
    """The tenant."""
    before: str
    """Status before."""
    after: str
    """Status after."""
    reason: str | None
    """Why; None after resuming."""
    changed: bool
    """False when it was so already and nothing was written."""


def rules_for(country: str) -> tuple[DeletionRule, ...]:
    """Return the deletion rules for a tenant in a country (ISO 3166)."""
    months, basis = _INVOICE_DUTIES.get(
        country, (120, f"cautious default, check the law of {country} on accounting records")
    )
    return (
        DeletionRule("contact", "end of relationship", None, 0, "contract with the tenant; until erasure"),
        DeletionRule(
            "interaction",
            "month of occurrence",
            36,
            0,
            "Art. 5(1)(e) GDPR; default that the tenant may change",
        ),
        DeletionRule("invoice", "year of issue", months, months, basis),
    )


def checked_tenant(new: NewTenant) -> NewTenant:
    """Return the new tenant as it is stored. Raises UsageError for whatever the register would not take."""
    slug, country = new.slug.strip(), new.country.strip().upper()
    if not SLUG.fullmatch(slug) or not 2 <= len(slug) <= LONGEST_SLUG:
        raise UsageError(
            f"{slug[:80]!r} is no slug",
            hint=f"2 to {LONGEST_SLUG} lower case letters and digits, joined by hyphens, a letter first",
        )
    if country not in COUNTRIES:
        raise UsageError(
            f"{new.country[:20]!r} is no country", hint="two letters of ISO 3166, such as DE or EE"
        )
    return NewTenant(slug, checked("name", new.name), country, checked("contact", new.contact))


def _planned(session: Session, new: NewTenant) -> Creation:
    order = instruction.prepare(session, "contract", "run the CRM for the tenant", new.contact)
    return Creation(
        "planned", None, **vars(new), roles=ROLES, rules=rules_for(new.country), instruction=order
    )


def create(session: Session, new: NewTenant, *, if_absent: bool = False, dry_run: bool = False) -> Creation:
    """Create a tenant with its keys, roles, rules and first instruction, in one transaction.

    With `if_absent` a tenant of that slug and equal attributes is left as it is. Raises UsageError for what
    makes no sense, and LuactlError when the slug is taken.
    """
    plan = _planned(session, checked_tenant(new))
    known = _directory(session, plan.slug)
    if known is not None:
        return _existing(session, known[0], plan, if_absent)
    if dry_run:
        return plan
    tenant_id, key_no = queries("tenant").new_numbers(session.conn)[:2]
    try:
        _write(session, plan, tenant_id, key_no)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "tenant_directory_slug_key":
            raise
        known = _directory(session, plan.slug)
        if known is None:
            raise
        return _existing(session, known[0], plan, if_absent)
    return replace(plan, outcome="created", tenant_id=tenant_id)


def _write(session: Session, plan: Creation, tenant_id: int, key_no: int) -> None:
    """Write all rows of a new tenant. One round trip carries as many statements as it can."""
    from .key import create_tenant
    from .ledger import Entry, append

    q, at = queries("tenant"), session.clock.now()
    detail = {"name": plan.name, "country": plan.country, "instruction": plan.instruction.reference}
    with transaction(session, tenant_id) as conn:
        create_tenant(session, tenant_id, key_no)
        with conn.pipeline():
            append(session, Entry("tenant.create", tenant_id, f"tenant:{plan.slug}", detail=detail))
            q.insert_directory(conn, tenant_id=tenant_id, slug=plan.slug, key_no=key_no)
            q.insert_tenant(
                conn,
                tenant_id=tenant_id,
                slug=plan.slug,
                name=plan.name,
                country=plan.country,
                contact=plan.contact,
                at=at,
            )
            q.insert_roles(
                conn,
                tenant_id=tenant_id,
                roles=[role.role for role in plan.roles],
                permissions=[" ".join(role.permissions) for role in plan.roles],
            )
            _insert_rules(conn, tenant_id, plan.rules, at)
            instruction.insert(session, tenant_id, plan.instruction)


def _insert_rules(conn: Any, tenant_id: int, rules: tuple[DeletionRule, ...], at: datetime) -> None:
    queries("tenant").insert_rules(
        conn,
        tenant_id=tenant_id,
        at=at,
        classes=[rule.retention_class for rule in rules],
        starting_points=[rule.starting_point for rule in rules],
        months=[rule.months for rule in rules],
        minimum_months=[rule.minimum_months for rule in rules],
        bases=[rule.basis for rule in rules],
    )


def _existing(session: Session, tenant_id: int, plan: Creation, if_absent: bool) -> Creation:
    """Say what it means that the slug is taken. Raises LuactlError unless an equal tenant was welcome."""
    there = _in_context(session, tenant_id)
    differs = [
        f"{field} {getattr(there, field)!r}, not {getattr(plan, field)!r}"
        for field in ("name", "country", "contact")
        if getattr(there, field) != getattr(plan, field)
    ]
    if not if_absent:
        raise LuactlError(
            f"there is a tenant {plan.slug} already",
            hint="choose another slug, or use --if-absent if it is the same",
        )
    if differs:
        raise LuactlError(
            f"there is a tenant {plan.slug} already, and another one: {'; '.join(differs)}",
            hint="choose another slug, or repeat with the attributes it has",
        )
    return replace(plan, outcome="exists", tenant_id=tenant_id)


def _directory(session: Session, slug: str) -> tuple[int, int] | None:
    row: tuple[int, int] | None = queries("tenant").directory(session.conn, slug=slug)
    return row


def _in_context(session: Session, tenant_id: int) -> Tenant:
    with transaction(session, tenant_id) as conn:
        row = queries("tenant").tenant(conn, tenant_id=tenant_id)
    if row is None:
        raise RefusedError(
            f"tenant {tenant_id} is not visible to {session.actor!r}",
            hint="a dedicated tenant opens only to its own login",
        )
    return Tenant(*row)


def list_(session: Session) -> list[Tenant]:
    """Return all tenants, oldest first."""
    return [Tenant(*row) for row in queries("tenant").all_tenants(session.conn)]


def _known(session: Session, slug: str) -> tuple[int, int]:
    """Return tenant id and key number. Raises NotFoundError with the nearest slugs as its hint."""
    known = _directory(session, slug) if "\0" not in slug else None
    if known is not None:
        return known
    from difflib import get_close_matches

    near = get_close_matches(slug, [row[0] for row in queries("tenant").slugs(session.conn)], n=3)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise NotFoundError(
        f"there is no tenant {slug[:80]!r}", hint=f"{guess}`luactl tenant list` shows them all"
    )


def find(session: Session, slug: str) -> Tenant:
    """Return the tenant of a slug. Raises NotFoundError with the nearest slugs as its hint."""
    return _in_context(session, _known(session, slug)[0])


def active(session: Session, slug: str) -> Tenant:
    """Return the tenant of a slug, for work that changes its data.

    Raises NotFoundError, and RefusedError for a tenant that is suspended or terminated.
    """
    found = find(session, slug)
    if found.status != "active":
        because = f": {found.reason}" if found.reason else ""
        raise RefusedError(
            f"tenant {slug} is {found.status}{because}",
            hint=f"`luactl tenant resume {slug}` lifts it" if found.status == "suspended" else None,
        )
    return found


def show(session: Session, slug: str) -> Detail:
    """Return a tenant with rules, roles and instructions, and counts of the rest. Raises NotFoundError."""
    tenant_id, key_no = _known(session, slug)
    q = queries("tenant")
    with transaction(session, tenant_id) as conn:
        tenant = Tenant(*q.tenant(conn, tenant_id=tenant_id))
        roles = tuple(Role(role, tuple(some)) for role, some in q.roles(conn, tenant_id=tenant_id))
        rules = tuple(DeletionRule(*row) for row in q.rules(conn, tenant_id=tenant_id))
        orders = tuple(instruction.read(session, tenant_id))
        subjects, erased, contacts, interactions, invoices = q.counts(conn, tenant_id=tenant_id)
        keys = q.key_counts(conn, tenant_id=tenant_id)
    return Detail(
        tenant, roles, rules, orders, subjects, erased, contacts, interactions, int(invoices), key_no, *keys
    )


def suspend(session: Session, slug: str, reason: str, *, dry_run: bool = False) -> StatusChange:
    """Keep a tenant's data from being changed until it is resumed. Does nothing if it is suspended already.

    Raises UsageError without a reason, NotFoundError, and RefusedError for a terminated tenant.
    """
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise UsageError(f"the reason must be one line of 1 to {LONGEST_REASON} characters")
    return _set_status(session, slug, "suspended", text, dry_run)


def resume(session: Session, slug: str, *, dry_run: bool = False) -> StatusChange:
    """Lift a suspension, if there is one. Raises NotFoundError, and RefusedError if terminated."""
    return _set_status(session, slug, "active", None, dry_run)


def _set_status(session: Session, slug: str, status: str, reason: str | None, dry_run: bool) -> StatusChange:
    from .ledger import Entry, append

    tenant_id = _known(session, slug)[0]
    q = queries("tenant")
    with transaction(session, tenant_id) as conn:
        now = Tenant(*(q.tenant if dry_run else q.lock_tenant)(conn, tenant_id=tenant_id))
        if now.status == "terminated":
            raise RefusedError(f"tenant {slug} is terminated", hint="a terminated tenant stays so")
        changed = now.status != status
        change = StatusChange(slug, now.status, status, reason if changed else now.reason, changed)
        if dry_run or not changed:
            return change
        q.set_status(conn, tenant_id=tenant_id, status=status, reason=reason, at=session.clock.now())
        detail = {"reason": reason} if reason else {}
        verb = "suspend" if status == "suspended" else "resume"
        append(
            session,
            Entry(action=f"tenant.{verb}", tenant_id=tenant_id, object=f"tenant:{slug}", detail=detail),
        )
    return change
