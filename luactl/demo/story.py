"""The story of the demo; each step ends with a question to Postgres that luactl does not answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ..db import queries
from .thief import Loot, Root, opened, read_root, steal
from .world import Told, World, typed

TENANTS = {
    "dental-berlin": ("dental", "Zahnarztpraxis am Park", "DE", "Dr. Ida Brandt, praxis@dental.example"),
    "agency-tallinn": ("agency", "Pikk Reklaam OÜ", "EE", "Tiina Saar, tiina@agency.example"),
    "shop-wien": ("shop", "Kaffeehausbedarf Marktgasse", "AT", "Leo Hofer, leo@shop.example"),
}
ROWS = (34, 136, 68, 130)
"""Contacts, interactions, invoices and invoice lines in the seed files."""
PERSON = "Łukasz Wiśniewski"
EMAIL = "ukasz.wisniewski3@example.org"
INSTRUCTION = "letter of 2026-11-20"
FAR = timedelta(days=365 * 11)
"""Past the end of every duty in the demo."""


@dataclass
class Tale:
    """What later steps need of earlier ones."""

    world: World
    ids: dict[str, int] = field(default_factory=dict)
    subject: UUID | None = None
    loot: Loot | None = None
    old_root: Root | None = None
    certificate: Path | None = None

    @property
    def victim(self) -> UUID:
        """The person whom the story erases."""
        if self.subject is None:
            raise RuntimeError("nobody was found yet")
        return self.subject

    @property
    def stolen(self) -> tuple[Loot, Root]:
        """What the thief carried away before the erasure."""
        if self.loot is None or self.old_root is None:
            raise RuntimeError("nothing was stolen yet")
        return self.loot, self.old_root

    def file(self, kind: str, what: str) -> str:
        """Path of a seed file."""
        return str(self.world.home / "files" / f"{kind}-{what}.csv")


def tell(world: World) -> Iterator[Told]:
    """Run the story and yield each step as it happened. Raises DemoError when a command fails."""
    tale = Tale(world)
    for step in STEPS:
        yield step(tale)


def _init(tale: Tale) -> Told:
    tale.world.run("init")
    tale.world.make_throwaway()
    tale.world.add_login("demo-crm", "lua_app")
    tale.world.add_login("demo-trainee", "lua_dpo")
    tale.world.add_login("demo-bookkeeper", "lua_accounting")
    with tale.world.looking() as conn:
        checksums, tls = (conn.execute(f"SHOW {name}").fetchall()[0][0] for name in ("data_checksums", "ssl"))
        unforced = queries("demo").unforced(conn)
    held = (checksums, tls, unforced) == ("on", "on", 0)
    return Told(
        "A Postgres of its own, with keys apart from it",
        (typed("init"),),
        held,
        f"checksums {checksums}, TLS {tls}, {unforced} tenant tables without forced row security",
    )


def _tenants(tale: Tale) -> Told:
    commands = []
    for slug, (_, name, country, contact) in TENANTS.items():
        line = ("tenant", "create", slug, "--name", name, "--country", country, "--contact", contact)
        tale.world.run(*line)
        commands.append(typed(*line))
    with tale.world.looking() as conn:
        counted = queries("demo").provisioned(conn)
        tale.ids = {slug: queries("demo").tree(conn, slug=slug)[1] for slug in TENANTS}
    text = "{} tenants, {} roles, {} retention rules, {} instructions, {} ledger entries".format(*counted)
    return Told("Three tenants, each in one transaction", tuple(commands), counted == (3, 15, 9, 3, 3), text)


def _import(tale: Tale) -> Told:
    commands = []
    for slug, (kind, *_rest) in TENANTS.items():
        for line in (
            ("crm", "customer", "import", tale.file(kind, "customers"), "--tenant", slug),
            ("crm", "interaction", "import", tale.file(kind, "interactions"), "--tenant", slug),
            ("crm", "invoice", "import", tale.file(kind, "invoices"), "--lines",
             tale.file(kind, "invoice-lines"), "--tenant", slug),
        ):  # fmt: skip
            tale.world.run(*line)
            commands.append(typed(*line))
    with tale.world.looking() as conn:
        rows = queries("demo").stored(conn)
    text = "{} contacts, {} interactions, {} invoices, {} lines".format(*rows)
    return Told(
        "Customers as people have them: ; and , with and without BOM",
        tuple(commands),
        rows == ROWS,
        text,
    )


def _sealed(tale: Tale) -> Told:
    line = ("crm", "customer", "list", "--tenant", "dental-berlin")
    names = {row["name"] for row in tale.world.run(*line).data}
    words = ("Wiśniewski", "Großmann", EMAIL, "Zahnweg", "appointment", "filling")
    with tale.world.looking() as conn:
        readable = sum(queries("demo").readable(conn, text=word) for word in words)
    held = readable == 0 and PERSON in names and len(names) == 14
    return Told(
        "luactl reads them, Postgres cannot",
        (typed(*line),),
        held,
        f"{len(names)} names listed, {PERSON} among them; "
        f"{readable} sealed values contain any of {len(words)} words",
    )


def _isolation(tale: Tale) -> Told:
    own = tale.ids["dental-berlin"]
    with tale.world.looking_as("demo-crm", own) as conn:
        seen = list(queries("demo").contacts_by_tenant(conn))
    return Told(
        "One tenant does not see another",
        ("(as the CRM, in the context of dental-berlin) SELECT tenant_id, count(*) FROM crm.contact …",),
        seen == [(own, 14)],
        f"contacts by tenant: {seen}",
    )


def _access(tale: Tale) -> Told:
    line = ("access", "list", "--tenant", "dental-berlin")
    told = [row for row in tale.world.run(*line).data if row["login"] == "demo-trainee"]
    sees = {}
    for role in ("demo-trainee", "lua_dpo"):
        with tale.world.looking_as("demo-trainee", tale.ids["dental-berlin"]) as conn:
            sees[role] = _count_as(conn, role)
    hows = {row["how"] for row in told}
    held = hows == {"after SET ROLE"} and sees == {"demo-trainee": None, "lua_dpo": 14}
    return Told(
        "Who reaches what, and how: also what a login could become",
        (typed(*line),),
        held,
        f"demo-trainee (NOINHERIT): {', '.join(sorted(hows))}; tried: refused as itself, "
        f"{sees['lua_dpo']} contacts after SET ROLE",
    )


def _count_as(conn: psycopg.Connection[tuple[Any, ...]], role: str) -> int | None:
    """Count contacts after SET ROLE; None when it is refused."""
    try:
        if role != "demo-trainee":
            conn.execute("SET LOCAL ROLE lua_dpo")
        return int(conn.execute("SELECT count(*) FROM crm.contact").fetchall()[0][0])
    except psycopg.errors.InsufficientPrivilege:
        return None


def _people(tale: Tale) -> Told:
    with tale.world.looking() as conn:
        before = [login for (login,) in queries("demo").nobodys(conn)]
    machines, others = ("demo-crm", "postgres"), ("demo-trainee", "demo-bookkeeper")
    (own,) = (one for one in before if one not in (*machines, *others))
    lines: list[tuple[str, ...]] = []
    for handle, login in (
        ("ida.brandt", own),
        ("leo.hofer", "demo-trainee"),
        ("tiina.saar", "demo-bookkeeper"),
    ):
        lines.append(("staff", "add", handle, "--name", handle.replace(".", " ").title(), "--login", login))
        lines.append(("staff", "undertaking", "add", handle, "--text", "2026-02"))
    job = ("staff", "add", "machines", "--name", "the CRM, init", "--kind", "job", "--manager", "ida.brandt")
    lines.append((*job, *(word for login in machines for word in ("--login", login))))
    for line in lines:
        tale.world.run(*line)
    proof = ("promise", "prove", "4.1", "4.2")
    states = [one["state"] for one in tale.world.run(*proof).data["promises"]]
    with tale.world.looking() as conn:
        after = list(queries("demo").nobodys(conn))
        conn.execute("CREATE ROLE stranger LOGIN SUPERUSER")
        broken = [one["state"] for one in tale.world.run(*proof, expect=6).data["promises"]]
        conn.execute("DROP ROLE stranger")
    return Told(
        "Whose every login is, and who is bound to confidentiality",
        (*(typed(*line) for line in lines[:2]), typed(*proof)),
        (len(before), after, states, broken) == (5, [], ["kept"] * 2, ["broken"] * 2),
        f"{len(before)} logins were nobody's, {len(after)} are; a stranger that somebody plants breaks both",
    )


def _find(tale: Tale) -> Told:
    line = ("subject", "find", "--tenant", "dental-berlin", "--email", "-")
    found = tale.world.run(*line, stdin=EMAIL + "\n").data
    tale.subject = UUID(found[0]["subject_id"])
    show = ("subject", "show", str(tale.subject), "--tenant", "dental-berlin")
    tale.world.run(*show)
    with tale.world.looking() as conn:
        rows = queries("demo").rows_of_subject(conn, subject=tale.subject)
        told = queries("demo").told_in_ledger(conn, text=EMAIL)
        looked = queries("demo").entries(conn, action="subject.find")
    return Told(
        "Find a person; who looked is on record, whom they typed is not",
        (f"echo {EMAIL} | {typed(*line)}", typed(*show)),
        len(found) == 1 and rows == (2, 4, 2) and told == 0 and looked == 1,
        f"1 person with {rows[1]} interactions and {rows[2]} invoices; {looked} search in the ledger, "
        f"{told} entries contain the address",
    )


def _log(tale: Tale) -> Told:
    line = ("log", "search", "--tenant", "dental-berlin", "--action", "subject.*")
    rows = tale.world.run(*line).data
    with tale.world.looking() as conn:
        found = queries("demo").entries(conn, action="subject.find")
    held = len([row for row in rows if row["action"] == "subject.find"]) == found
    return Told(
        "Who did and saw what",
        (typed(*line),),
        held,
        f"{len(rows)} entries found, {found} searches in the table",
    )


def _purge(tale: Tale) -> Told:
    line = ("retention", "purge", "--all")
    now = datetime.now(UTC)
    limit = now.replace(year=now.year - 3, day=1, hour=0, minute=0, second=0, microsecond=0)
    with tale.world.looking() as conn:
        due = queries("demo").interactions_before(conn, before=limit)
        before = queries("demo").stored(conn)
    tale.world.run(*line, "--dry-run")
    tale.world.run(*line, "--yes")
    with tale.world.looking() as conn:
        left = queries("demo").interactions_before(conn, before=limit)
        after = queries("demo").stored(conn)
    gone = [was - now for was, now in zip(before, after, strict=True)]
    return Told(
        "Purge what is due: interactions older than 36 months",
        (typed(*line, "--dry-run"), typed(*line, "--yes")),
        due > 0 and left == 0 and gone == [0, due, 0, 0],
        f"{due} were due, {gone[1]} went, {left} left; {after[1]} younger ones stay",
    )


def _erase(tale: Tale) -> Told:
    with tale.world.looking() as conn:
        tale.loot = steal(conn, "dental-berlin", tale.victim)
    tale.old_root = read_root(tale.world.roots()[-1])
    readable = opened(tale.loot, tale.old_root)
    line = (
        "erasure",
        "run",
        "--tenant",
        "dental-berlin",
        "--subject",
        str(tale.victim),
        "--instruction",
        INSTRUCTION,
    )
    tale.world.run(*line, "--dry-run")
    done = tale.world.run(*line, "--yes").data
    tale.certificate = Path(done["certificate"])
    with tale.world.looking() as conn:
        rows = queries("demo").rows_of_subject(conn, subject=tale.victim)
    return Told(
        "Erase a person",
        (typed(*line, "--dry-run"), typed(*line, "--yes")),
        rows == (0, 0, 2) and "crm.contact" in readable,
        f"rows left: {rows[0]} contact, {rows[1]} interactions; {rows[2]} invoices are kept by law",
    )


def _stolen(tale: Tale) -> Told:
    loot, old_root = tale.stolen
    with tale.world.looking() as conn:
        newest = list(queries("demo").nodes(conn))
    today = opened(loot, read_root(tale.world.roots()[-1]), newest)
    with_old = opened(loot, old_root, newest)
    held = set(today) == {"crm.invoice"} and "crm.contact" in with_old and len(tale.world.roots()) == 1
    return Told(
        "A thief has every old copy and today's root",
        ("(all rows and key nodes copied before the erasure, all nodes of today, today's root secret)",),
        held,
        f"opens {len(today)} of {len(loot.sealed)} values, all invoices; "
        f"with the destroyed root it would be {len(with_old)}",
    )


def _bookkeeping(tale: Tale) -> Told:
    line = ("crm", "invoice", "list", "--tenant", "dental-berlin", "--subject", str(tale.victim), "--party")
    parties = [row["party"]["name"] for row in tale.world.run(*line, profile="demo-bookkeeper").data]
    with tale.world.looking_as("demo-crm", tale.ids["dental-berlin"]) as conn:
        crm = queries("demo").rows_of_subject(conn, subject=tale.victim)[2]
    return Told(
        "What the law keeps, bookkeeping alone still reads",
        (f"luactl --profile demo-bookkeeper {typed(*line).removeprefix('luactl ')}",),
        parties == [PERSON] * 2 and crm == 0,
        f"bookkeeping reads {len(parties)} invoices of {PERSON}; the CRM itself sees {crm}",
    )


def _certificate(tale: Tale) -> Told:
    folder = tale.certificate
    if folder is None:
        raise RuntimeError("nobody was erased yet")
    line = ("verify", str(folder))
    tale.world.run(*line)
    forged = tale.world.home / "forged"
    shutil.copytree(folder, forged)
    document = forged / "certificate.md"
    document.write_text(
        document.read_text(encoding="utf-8").replace(INSTRUCTION, "letter of 2026-11-21"), encoding="utf-8"
    )
    refused = tale.world.run("verify", str(forged), expect=6)
    return Told(
        "A certificate that anybody can check without a database",
        (typed(*line), "(one date in a copy changed) " + typed("verify", str(forged))),
        refused.code == 6 and INSTRUCTION not in document.read_text(encoding="utf-8"),
        "the certificate holds; the altered copy is refused with exit code 6",
    )


def _ledger(tale: Tale) -> Told:
    tale.world.run("ledger", "integrate")
    tale.world.run("ledger", "verify")
    with tale.world.looking() as conn:
        kept = list(queries("demo").entry_bodies(conn))
        changed = queries("demo").falsify(conn)
        caught = tale.world.run("ledger", "verify", expect=6)
        for entry_id, actor, body in kept:
            queries("demo").put_back(conn, id=entry_id, actor=actor, body=body)
    tale.world.run("ledger", "verify")
    return Told(
        "A superuser rewrites the log, and is found out",
        (typed("ledger", "verify"), "(the superuser edits who did it) " + typed("ledger", "verify")),
        changed > 0 and all(str(entry_id) in json.dumps(caught.data) for entry_id, *_ in kept),
        f"{changed} entries altered, each named by the check; put back, the log verifies again",
    )


def _years_later(tale: Tale) -> Told:
    tale.world.move_clock(FAR)
    line = ("retention", "purge", "--all", "--yes")
    tale.world.run(*line)
    tale.world.move_clock(timedelta(0))
    with tale.world.looking() as conn:
        rows = queries("demo").rows_of_subject(conn, subject=tale.victim)
        newest = list(queries("demo").nodes(conn))
    today = opened(tale.stolen[0], read_root(tale.world.roots()[-1]), newest)
    return Told(
        "Eleven years later: the duty has ended, the rest goes by itself",
        ("(the clock of this home moved eleven years ahead)", typed(*line)),
        rows == (0, 0, 0) and today == [],
        f"{rows[2]} invoices of the person left; the thief opens {len(today)} values",
    )


def _keys(tale: Tale) -> Told:
    tale.world.run("key", "verify")
    with tale.world.looking() as conn:
        epoch = conn.execute("SELECT epoch FROM vault.tree").fetchall()[0][0]
    roots = [read_root(file).epoch for file in tale.world.roots()]
    return Told(
        "The keys: one living root, the one the database names",
        (typed("key", "verify"),),
        roots == [epoch],
        f"database at epoch {epoch}, holder has {roots}",
    )


STEPS: tuple[Callable[[Tale], Told], ...] = (
    _init, _tenants, _import, _sealed, _isolation, _access, _people, _find, _log, _purge, _erase, _stolen,
    _bookkeeping, _certificate, _ledger, _years_later, _keys,
)  # fmt: skip
