"""Whether a login gets in at all, from where, and when it was last seen.

The rules of pg_hba.conf are gone through as the server does (hba.c): the first that fits connection, database
and user decides. A password's end (VALID UNTIL) keeps out whoever comes with a password, and nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

from ..db import queries
from .graph import Graph, Role

UNKNOWN = "unknown: this login may not read pg_hba_file_rules"
BY_PASSWORD = frozenset({"password", "md5", "scram-sha-256"})
COVERS = {
    "local": {"local"},
    "host": {"host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"},
    "hostssl": {"hostssl"}, "hostnossl": {"hostnossl"},
    "hostgssenc": {"hostgssenc"}, "hostnogssenc": {"hostnogssenc"},
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One line of pg_hba.conf, as pg_hba_file_rules tells it."""

    type: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    """A network, a name, `all`, `samehost`, `samenet`; empty for local."""
    method: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> Rule:
        """Take it from a row."""
        kind, databases, users, address, netmask, method = row
        return cls(kind, tuple(databases), tuple(users), _network(address, netmask), method)

    def __str__(self) -> str:
        """Say it as it would stand there, without databases and users."""
        return " ".join(part for part in (self.type, self.address, self.method) if part)


@dataclass(frozen=True)
class Setting:
    """Parameters that are set as somebody comes in. Their values may be secret."""

    names: tuple[str, ...]
    database: str
    """The database for which they are; empty: for all."""
    by_login: bool
    """Whether for one login, and not for all."""


@dataclass(frozen=True)
class Entrance:
    """How a login gets in."""

    enters: str
    """The rules that let it in or turn it away, in their order; why not; or that it is unknown."""
    last_seen: datetime | None
    """By the ledger or by logs; None: unknown."""
    settings: tuple[Setting, ...] = ()
    """What is set as it comes in."""


def _network(address: str | None, netmask: str | None) -> str:
    if not address or not netmask:
        return address or ""
    bits = bin(int(ip_address(netmask))).count("1")
    return f"{address}/{bits}"


def rules_of(conn: Any) -> list[Rule] | None:
    """Return the rules by which the server lets logins in; None: this login may not read them."""
    noun = queries("access")
    return [Rule.of(row) for row in noun.rules(conn)] if noun.may_read_rules(conn) else None


def entrances(conn: Any, graph: Graph, now: datetime) -> Mapping[int, Entrance]:
    """Return how each login gets in, by its oid, within the transaction that read the roles."""
    noun = queries("access")
    rules = rules_of(conn)
    found = {}
    for oid, connects, over, shut, seen, database in noun.doors(conn, now=now):
        said = _kept_out(connects, shut) or _said(rules, graph, graph.roles[oid], database, over=bool(over))
        found[oid] = Entrance(said, seen and seen.astimezone(UTC))
    for role, within, names in noun.settings(conn):
        setting = Setting(tuple(names), within or "", bool(role))
        for oid in found.keys() & {role} if role else list(found):
            found[oid] = replace(found[oid], settings=(*found[oid].settings, setting))
    return found


def _kept_out(connects: bool, shut: bool) -> str:
    if not connects:
        return "no: it may not CONNECT to the database"
    return "no: its connection limit is 0" if shut else ""


def _said(rules: Iterable[Rule] | None, graph: Graph, login: Role, database: str, *, over: bool) -> str:
    if rules is None:
        return UNKNOWN
    fits = deciding(rules, graph, login, database)
    lets_in = [one for one in fits if one.method != "reject" and not (over and one.method in BY_PASSWORD)]
    if not fits:
        return "no: no rule of pg_hba.conf fits"
    text = ", ".join(map(str, fits))
    if lets_in:
        return text
    return f"no: its password is over ({text})" if over else f"no: {text}"


def deciding(rules: Iterable[Rule], graph: Graph, login: Role, database: str) -> list[Rule]:
    """Return the rules that decide for a login, without those that an earlier one leaves nothing to."""
    groups = {graph.roles[role].name for role in graph.member_of(login.oid)}
    found: list[Rule] = []
    for rule in rules:
        if not _fits_user(rule, login, groups) or not _fits_database(rule, login, groups, database):
            continue
        if not any(_covers(earlier, rule) for earlier in found):
            found.append(rule)
    return found


def _fits_user(rule: Rule, login: Role, groups: Container[str]) -> bool:
    return any(
        user == "all" or user == login.name or (user.startswith("+") and user[1:] in groups)
        or (user.startswith("/") and re.search(user[1:], login.name))
        for user in rule.users
    )  # fmt: skip


def _fits_database(rule: Rule, login: Role, groups: Container[str], database: str) -> bool:
    return any(
        name in ("all", database) or (name == "sameuser" and login.name == database)
        or (name in ("samerole", "samegroup") and database in groups)
        or (name.startswith("/") and re.search(name[1:], database))
        for name in rule.databases
    )  # fmt: skip


def _covers(earlier: Rule, later: Rule) -> bool:
    """Whether nothing is left for the later rule."""
    if later.type not in COVERS.get(earlier.type, ()):
        return False
    if earlier.address in ("all", later.address):
        return True
    try:
        wide, narrow = ip_network(earlier.address), ip_network(later.address)
    except ValueError:  # names, samehost, samenet: what they cover shows when somebody comes
        return False
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]
