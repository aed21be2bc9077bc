"""How a tenant begins: with keys, roles, deletion rules and its first instruction, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import psycopg

from .. import instruction
from ..db import Session, pipeline, queries, transaction
from ..errors import BusyError, LuactlError, UsageError
from ..instruction import Instruction
from ..line import checked
from .dedicated import demand_bound, make_partitions, make_roles
from .register import DeletionRule, Role, Tenant, directory, own_login

if TYPE_CHECKING:
    from ..key.tree import Nodes

SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_SLUG = 63
RESERVED_SLUG = "lua-crm-itself"
"""Stands for the house's own keys, as of its log; no tenant's."""
SLUG_RULE = f"2 to {LONGEST_SLUG} lower case letters and digits, joined by hyphens, a letter first"
RESERVED_HINT = f"{RESERVED_SLUG} stands for the house itself: take another"
BLOCK = 64
ISOLATIONS = ("pooled", "dedicated")
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
    isolation: str = "pooled"
    """pooled: rows in tables that tenants share; dedicated: partitions and a login of its own."""


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
    isolation: str
    """pooled or dedicated."""
    roles: tuple[Role, ...]
    """Roles for the tenant's own users."""
    rules: tuple[DeletionRule, ...]
    """How long what is kept."""
    instruction: Instruction
    """What the tenant thereby orders."""
    login: str | None = None
    """The login of the CRM for a dedicated tenant; None as long as it is planned, and for a pooled one."""


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


def is_slug(text: str) -> bool:
    """Tell whether a tenant could have this slug."""
    return 2 <= len(text) <= LONGEST_SLUG and SLUG.fullmatch(text) is not None


def checked_tenant(new: NewTenant) -> NewTenant:
    """Return the new tenant as it is stored. Raises UsageError for whatever the register would not take."""
    slug, country = new.slug.strip(), new.country.strip().upper()
    if not is_slug(slug):
        raise UsageError(f"{slug[:80]!r} is no slug", hint=SLUG_RULE)
    if slug == RESERVED_SLUG:
        raise UsageError(f"{slug!r} is no tenant's", hint=RESERVED_HINT)
    if country not in COUNTRIES:
        raise UsageError(
            f"{new.country[:20]!r} is no country", hint="two letters of ISO 3166, such as DE or EE"
        )
    if new.isolation not in ISOLATIONS:
        raise UsageError(f"{new.isolation[:20]!r} is no isolation", hint="pooled or dedicated")
    return NewTenant(slug, checked("name", new.name), country, checked("contact", new.contact), new.isolation)


def _planned(session: Session, new: NewTenant) -> Creation:
    """Return what creating a checked tenant would do."""
    order = instruction.prepare(session, "contract", "run the CRM for the tenant", new.contact)
    return Creation(
        "planned", None, **vars(new), roles=ROLES, rules=rules_for(new.country), instruction=order
    )


def create(session: Session, new: NewTenant, *, if_absent: bool = False, dry_run: bool = False) -> Creation:
    """Create a tenant with its keys, roles, rules and first instruction, in one transaction.

    With `if_absent` a tenant of that slug and equal attributes is left as it is. Raises UsageError for what
    makes no sense, and LuactlError when the slug is taken.
    """
    if not dry_run:
        return next(create_many(session, [new], if_absent=if_absent))
    plan = _planned(session, checked_tenant(new))
    there = registered(session, [plan.slug])
    if not there:
        demand_for(session, [plan])
    return _existing(plan, there[plan.slug], if_absent) if there else plan


def demand_for(session: Session, news: Iterable[NewTenant | Creation]) -> None:
    """Ask beforehand what the database asks of whoever creates these tenants."""
    if any(new.isolation == "dedicated" for new in news):
        demand_bound(session)


def create_many(
    session: Session, news: Sequence[NewTenant], *, if_absent: bool = False
) -> Iterator[Creation]:
    """Create tenants one by one, each in a transaction of its own, and yield each when it is committed.

    What is the same for all is done once. Raises as `create` does: UsageError before anything is written,
    other errors in the middle; then the tenants yielded so far are there.
    """
    for made, there in settle(session, [checked_tenant(new) for new in news]):
        yield made if there is None else _existing(made, there, if_absent)


def settle(session: Session, news: Sequence[NewTenant]) -> Iterator[tuple[Creation, Tenant | None]]:
    """Create those checked tenants whose slug is free; yield each when it is committed.

    Beside it stands the tenant that was there already, equal or not, in whose place nothing was done.
    """
    from ..key.tree import Nodes

    nodes = Nodes(session)
    for start in range(0, len(news), BLOCK):
        block = news[start : start + BLOCK]
        there = registered(session, [new.slug for new in block])
        absent = [new for new in block if new.slug not in there]
        demand_for(session, absent)
        numbers = _numbers(session, [new.isolation for new in absent])
        for new in block:
            plan = _planned(session, new)
            if new.slug not in there:
                tenant_id, key_no = next(numbers)
                if _written(session, nodes, plan, tenant_id, key_no):
                    yield _done(plan, "created", tenant_id), None
                    continue
                there |= registered(session, [new.slug])
            nodes = Nodes(session)  # what a transaction made that was rolled back is not there
            yield plan, there[new.slug]


def registered(session: Session, slugs: Sequence[str]) -> dict[str, Tenant]:
    """Return the tenants that have one of these slugs, dedicated ones included."""
    known = list(directory(session, slugs))
    if not known:
        return {}
    rows = queries("tenant").tenants_of(session.conn, slugs=known)
    return {tenant.slug: tenant for tenant in (Tenant(*row) for row in rows)}


def _done(plan: Creation, outcome: Literal["created", "exists"], tenant_id: int) -> Creation:
    return replace(plan, outcome=outcome, tenant_id=tenant_id, login=own_login(tenant_id))


def _numbers(session: Session, isolations: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield tenant id and key number for as many tenants, each id of the kind that its isolation demands."""
    if not isolations:
        return
    counts = {kind: isolations.count(kind) for kind in ISOLATIONS}
    pooled, dedicated, first, _ = queries("tenant").new_numbers(session.conn, **counts)
    ids = {"pooled": iter(pooled), "dedicated": iter(dedicated)}
    for number, isolation in enumerate(isolations, first):
        yield next(ids[isolation]), number


def _written(session: Session, nodes: Nodes, plan: Creation, tenant_id: int, key_no: int) -> bool:
    """Write all rows of a new tenant; False when somebody else was quicker to take the slug."""
    try:
        _write(session, nodes, plan, tenant_id, key_no)
    except psycopg.errors.DuplicateObject as error:
        raise BusyError(
            f"another database of this server took the roles of tenant {tenant_id} just now",
            hint="run it again: the next number is free",
        ) from error
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "tenant_directory_slug_key":
            raise
        return False
    return True


def _write(session: Session, nodes: Nodes, plan: Creation, tenant_id: int, key_no: int) -> None:
    from ..key import create_tenant
    from ..ledger import Entry, append

    detail = {"name": plan.name, "country": plan.country, "instruction": plan.instruction.reference}
    dedicated = plan.isolation == "dedicated"
    if dedicated:
        detail["isolation"] = plan.isolation
    with transaction(session, tenant_id) as conn:
        if dedicated:
            make_roles(session, tenant_id)  # the policy asks for them before the first row
            session.step("roles made")
        create_tenant(session, tenant_id, key_no, nodes)
        if dedicated:
            make_partitions(session, tenant_id)  # last, since everybody else waits from here to the commit
            session.step("partitions made")
        with pipeline(conn):
            append(session, Entry("tenant.create", tenant_id, f"tenant:{plan.slug}", detail=detail))
            queries("tenant").insert_tenant(
                conn,
                tenant_id=tenant_id,
                key_no=key_no,
                slug=plan.slug,
                name=plan.name,
                country=plan.country,
                contact=plan.contact,
                isolation=plan.isolation,
                at=session.clock.now(),
                **_columns(plan),
            )


def _columns(plan: Creation) -> dict[str, Any]:
    """Return roles, rules and instruction as the statement takes them: rows turned into columns."""
    return {
        "roles": [role.role for role in plan.roles],
        "permissions": [" ".join(role.permissions) for role in plan.roles],
        "classes": [rule.retention_class for rule in plan.rules],
        "starting_points": [rule.starting_point for rule in plan.rules],
        "months": [rule.months for rule in plan.rules],
        "minimum_months": [rule.minimum_months for rule in plan.rules],
        "bases": [rule.basis for rule in plan.rules],
        **vars(plan.instruction),
    }


def differing(there: Tenant, wanted: NewTenant | Creation) -> list[str]:
    """Return the attributes in which a tenant is another one than wanted; both have one slug."""
    return [
        field
        for field in ("name", "country", "contact", "isolation")
        if getattr(there, field) != getattr(wanted, field)
    ]


def _existing(plan: Creation, there: Tenant, if_absent: bool) -> Creation:
    """Say what it means that the slug is taken. Raises LuactlError unless an equal tenant was welcome."""
    differs = [
        f"{field} {getattr(there, field)!r}, not {getattr(plan, field)!r}" for field in differing(there, plan)
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
    return _done(plan, "exists", there.tenant_id)
