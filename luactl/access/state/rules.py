"""What is not as it should be: the desired state held against what there is. Pure.

Findings come in the order in which they are undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from psycopg import sql

from ...shipped import GROUPS, OWNERS
from . import made
from .finding import By, Finding, Kind
from .seen import Member, Record, Role, Seen, Stray
from .wanted import Allowed, State

KEEPER = "lua_rolekeeper"
HOUSE = (*GROUPS, "lua_elevated", *OWNERS)
NEEDED = {KEEPER: {"CREATEROLE"}, "lua_definer": {"BYPASSRLS"}}
"""Attributes that roles of the house have by the migrations."""
_PLAIN = re.compile(r"(lua|pg)_[a-z0-9_]+")
"""Names of roles that need no quotes; of others who knows what words a later Postgres reserves."""
_TENANT = re.compile(r"lua_t[0-9]+")
_STAFF = re.compile(r"lua_t[0-9]+_staff")
_ELEVATED = re.compile(r"lua_e[0-9].*")


def findings(state: State, seen: Seen) -> list[Finding]:
    """Return everything that is not as it should be: first what is handed out anew, then what is taken."""
    found = [
        *_missing(state, seen),
        *_memberships(state, seen),
        *_roles(state, seen),
        *_numbers(state, seen),
        *_presets(state, seen),
        *_strays(state, seen),
        *made.rights(seen),
        *made.rows(seen),
        *_owned(seen),
    ]
    return list(dict.fromkeys(found))


def _quoted(*names: str) -> list[str]:
    """Return names as they stand in a statement: quoted where they must be, or might have to."""
    return [name if _PLAIN.fullmatch(name) else sql.Identifier(name).as_string(None) for name in names]


def _by(seen: Seen, login: str, can: bool) -> By:
    if not can:
        return "superuser"
    return "administrator" if login in seen.own else "luactl"


def _finding(
    record: Record | None, kind: Kind, login: str, about: str, what: str, undo: str, by: By,
    grantor: str | None = None, act: tuple[str, ...] = (),
) -> Finding:  # fmt: skip
    """Return a finding with whose login it is; what luactl cannot do it does not know how to."""
    handle, person = (None, None) if record is None else (record.handle, str(record.person_id))
    return Finding(
        kind, login, handle, about, what, grantor, undo, by, () if by == "superuser" else act, person
    )


def _missing(state: State, seen: Seen) -> Iterator[Finding]:
    """Yield group roles that are on record, or stated, and that luactl has not granted."""
    granted = {(one.role, one.member) for one in seen.members if seen.is_old or one.grantor == KEEPER}
    for record in seen.records.values():
        if not (record.is_in_force and record.is_recorded and record.bound and record.login in seen.roles):
            continue
        allowed = state.allowed(record.handle, record.kind, record.teams)
        for role in record.roles:
            if role in allowed and (role, record.login) not in granted:
                yield _grant(
                    seen,
                    record,
                    role,
                    "is on record and was not granted by luactl",
                    ("restore", record.login),
                )
    yield from _stated(state, seen)


def _stated(state: State, seen: Seen) -> Iterator[Finding]:
    """Yield group roles that the house says somebody has, and that no login of theirs was handed."""
    first: dict[str, Record] = {}
    held: dict[str, set[str]] = {}
    for record in seen.records.values():
        if record.is_in_force and record.is_recorded and record.login in seen.roles:
            first.setdefault(record.handle, record)
            held.setdefault(record.handle, set()).update(record.roles)
    for handle, record in first.items():
        stated = state.stated(handle, record.teams) or frozenset()
        for role in sorted(stated - held[handle]) if record.bound else ():
            yield _grant(
                seen, record, role, "is stated and was not handed out", ("grant", record.login, role)
            )


def _grant(seen: Seen, record: Record, role: str, what: str, act: tuple[str, ...]) -> Finding:
    granted, login = _quoted(role, record.login)
    narrow = "" if seen.is_old else " WITH INHERIT TRUE, SET FALSE"
    undo = f"GRANT {granted} TO {login}{narrow}"
    by = _by(seen, record.login, True)
    return _finding(record, "missing", record.login, role, f"{role} {what}", undo, by, act=act)


def _memberships(state: State, seen: Seen) -> Iterator[Finding]:
    above = {(one.role, one.member): one.grantor for one in seen.members}
    for one in sorted(seen.members, key=lambda m: _depth(above, m), reverse=True):
        said = _verdict(state, seen, one)
        if said is not None:
            yield _revoke(seen, one, *said)


def _depth(above: Mapping[tuple[str, str], str], one: Member) -> int:
    """How many grants stand before this one: who was granted by somebody goes before that somebody."""
    depth, grantor, met = 0, one.grantor, set[str]()
    while (one.role, grantor) in above and grantor not in met:
        met.add(grantor)
        grantor = above[(one.role, grantor)]
        depth += 1
    return depth


def _verdict(state: State, seen: Seen, one: Member) -> tuple[Kind, str] | None:
    """Say what is wrong with a membership; None: nothing."""
    member, role = one.member, seen.roles.get(one.member)
    if member == KEEPER or (member == "lua_definer" and _is_of_definer(one.role)):
        return None
    if member in HOUSE:
        right = one.role in state.groups.get(member, frozenset()) and not one.administers
        return None if right else ("group role", "a group role is a member of nothing else")
    if _TENANT.fullmatch(member) or _STAFF.fullmatch(member) or _ELEVATED.fullmatch(member):
        right = one.grantor == KEEPER and not one.administers and not _STAFF.fullmatch(member)
        return None if right else ("group role", "what luactl makes gets nothing from others")
    exempt = state.exempt(member)
    if one.role in exempt.member_of and not one.administers:
        return None
    if role is None or "SUPERUSER" in role.attributes:
        return None
    if member not in seen.records:
        return _of_nobody(seen, one, role)
    return _of_somebody(state, seen, one)


def _is_of_definer(role: str) -> bool:
    """Tell whether the definer is a member of a role so that it can end sessions, or an elevation."""
    return role == "pg_signal_backend" or bool(_ELEVATED.fullmatch(role))


def _of_nobody(seen: Seen, one: Member, role: Role) -> tuple[Kind, str] | None:
    if one.role in HOUSE or _STAFF.fullmatch(one.role) or _TENANT.fullmatch(one.role):
        return "membership", f"{one.member} is nobody's{'' if role.logs_in else ', and no login'}"
    if role.logs_in and role.connects:
        return "membership", f"{one.member} is nobody's"
    return None


def _of_somebody(state: State, seen: Seen, one: Member) -> tuple[Kind, str] | None:
    record = seen.records[one.member]
    if not record.is_in_force:
        return "ended", f"the login ended, and is a member of {one.role}"
    if one.role not in GROUPS and not _STAFF.fullmatch(one.role):
        return "membership", f"a login is a member of group roles, and not of {one.role}"
    if one.role in GROUPS:
        if not record.bound:
            return "not bound", "no undertaking of confidentiality is in force"
        if one.role not in state.allowed(record.handle, record.kind, record.teams):
            return "not allowed", f"the desired state does not give {one.role} to {record.handle}"
        if record.is_recorded and one.role not in record.roles:
            return "membership", f"{one.role} was granted behind luactl's back"
    if one.grantor != KEEPER:
        return "foreign grantor", f"granted by {one.grantor}, and not through luactl"
    return ("admin option", "it may be passed on") if one.administers else None


def _revoke(seen: Seen, one: Member, kind: Kind, what: str) -> Finding:
    record = seen.records.get(one.member)
    role, member, grantor = _quoted(one.role, one.member, one.grantor)
    only_option = kind == "admin option"
    undo = f"REVOKE {'ADMIN OPTION FOR ' if only_option else ''}{role} FROM {member}"
    undo += "" if seen.is_old else f" GRANTED BY {grantor}"
    undo += " CASCADE" if one.administers and not seen.is_old else ""
    target = seen.roles.get(one.role)
    can = (seen.is_old or (one.grantor == KEEPER and not one.administers) or only_option) and not (
        one.member.startswith("lua_") or (target is not None and "SUPERUSER" in target.attributes)
    )
    act: tuple[str, ...] = ("undo", one.role, one.member, "option" if only_option else "")
    if kind == "foreign grantor" and seen.is_old and record is not None and one.role in record.roles:
        act = ("restore", one.member)
        undo += f"; GRANT {role} TO {member}"
    by = _by(seen, one.member, can)
    return _finding(record, kind, one.member, one.role, what, undo, by, one.grantor, act)


def _roles(state: State, seen: Seen) -> Iterator[Finding]:
    for role in seen.roles.values():
        if role.name in HOUSE or role.name.startswith("lua_"):
            yield from _of_house(seen, role)
            continue
        record, exempt = seen.records.get(role.name), state.exempt(role.name)
        kept = set(exempt.attributes) | set(record.attributes if record else ())
        if role.connects or record is not None:
            yield from _attributes(role, set(role.attributes) - kept, record)
        if role.logs_in and record is not None and not record.is_in_force:
            yield _locked(seen, role, record, "ended", "the login ended, and can still log in")
        elif role.logs_in and record is None and role.connects and not exempt.is_nobodys:
            yield _locked(seen, role, record, "unmapped", "it can log in here and is nobody's")
        elif record is not None and record.is_in_force and not record.is_recorded:
            what = "it is somebody's, and what it has is not on record"
            undo = f"luactl access adopt {role.name} --person {record.handle}"
            yield _finding(record, "unrecorded", role.name, role.name, what, undo, _by(seen, role.name, True))


def _of_house(seen: Seen, role: Role) -> Iterator[Finding]:
    """Yield what a role of ours has beyond what migrations and functions gave it."""
    yield from _attributes(role, set(role.attributes) - NEEDED.get(role.name, set()), None, "group role")
    is_login = bool(_TENANT.fullmatch(role.name) or _ELEVATED.fullmatch(role.name))
    if role.logs_in and not is_login:
        yield _locked(seen, role, None, "group role", "nobody logs in as it")
    elif role.logs_in and _TENANT.fullmatch(role.name) and role.name not in seen.tenants:
        yield _locked(seen, role, None, "unmapped", "its tenant is not here, or has ended")


def _attributes(
    role: Role, more: set[str], record: Record | None, kind: Kind = "attribute"
) -> Iterator[Finding]:
    for attribute in sorted(more):
        [name] = _quoted(role.name)
        what, undo = f"no login of ours has {attribute}", f"ALTER ROLE {name} NO{attribute}"
        yield _finding(record, kind, role.name, attribute, what, undo, "superuser")


def _locked(seen: Seen, role: Role, record: Record | None, kind: Kind, what: str) -> Finding:
    [name] = _quoted(role.name)
    by = _by(seen, role.name, role.is_kept and kind == "ended")
    undo = f"ALTER ROLE {name} NOLOGIN"
    return _finding(record, kind, role.name, "LOGIN", what, undo, by, act=("end", role.name))


def _numbers(state: State, seen: Seen) -> Iterator[Finding]:
    """Yield connection limits and validities that are not those on record, or above what is stated."""
    for record in seen.records.values():
        role = seen.roles.get(record.login)
        if role is not None and record.is_in_force and record.is_recorded:
            by = _by(seen, record.login, role.is_kept)
            yield from _limit(state.limit(record.handle, record.kind, record.teams), role, record, by)
            yield from _validity(role, record, by)


def _limit(most: int | None, role: Role, record: Record, by: By) -> Iterator[Finding]:
    right, said = record.connection_limit, "on record"
    act: tuple[str, ...] = ("restore", record.login)
    if most is not None and not 0 <= right <= most:
        right, said, act = most, "stated", ("limit", record.login, str(most))
    if role.connection_limit != right:
        [name] = _quoted(role.name)
        what, undo = (
            f"{role.connection_limit}, and {right} is {said}",
            f"ALTER ROLE {name} CONNECTION LIMIT {right}",
        )
        yield _finding(record, "limit", role.name, "CONNECTION LIMIT", what, undo, by, act=act)


def _validity(role: Role, record: Record, by: By) -> Iterator[Finding]:
    if role.valid_until != record.valid_until:
        [name] = _quoted(role.name)
        until = _until(record.valid_until)
        what, undo = (
            f"{_until(role.valid_until)}, and {until} is on record",
            f"ALTER ROLE {name} VALID UNTIL '{until}'",
        )
        act = ("restore", record.login)
        yield _finding(record, "validity", role.name, "VALID UNTIL", what, undo, by, act=act)


def _until(moment: datetime | None) -> str:
    return "infinity" if moment is None else moment.isoformat()


def _presets(state: State, seen: Seen) -> Iterator[Finding]:
    """Yield settings given for good that are not stated; of who does not get in, what is on record."""
    for one in seen.presets:
        role = seen.roles.get(one.login)
        if role is not None and not (role.connects or one.login in HOUSE or one.login in seen.records):
            continue
        if state.may_set(one.login, one.name, one.value):
            continue
        record, by = seen.records.get(one.login), _by(seen, one.login, one.can)
        value = "" if one.value is None else f" to {one.value!r}"
        where = "here" if one.is_here else "in every database"
        what, act = f"set{value} {where}, for good", ("reset", one.login, where, one.name)
        yield _finding(record, "setting", one.login, one.name, what, one.statement, by, act=act)


def _strays(state: State, seen: Seen) -> Iterator[Finding]:
    for one in seen.strays:
        if Allowed(one.grantee, one.object) in state.grants:
            continue
        can = one.owner in OWNERS and not one.object.startswith(("DATABASE", "PARAMETER", "TABLESPACE"))
        record, by = seen.records.get(one.grantee), _by(seen, one.grantee, can)
        kind, what, act = _kind_of(one), _told(one), ("stray", one.owner, one.statement)
        yield _finding(record, kind, one.grantee, one.object, what, one.statement, by, one.grantor, act)


def _kind_of(one: Stray) -> Kind:
    return "default" if one.object.startswith("default for ") else "direct grant"


def _told(one: Stray) -> str:
    if _kind_of(one) == "default":
        return f"what {one.owner} makes will give {one.privilege} to {one.grantee}"
    if one.grantee in HOUSE:
        return f"{one.privilege} is passed on by somebody, or may be"
    return f"{one.privilege} belongs to group roles alone"


def _owned(seen: Seen) -> Iterator[Finding]:
    for one in seen.owned:
        record, what = seen.records.get(one.owner), "what is here belongs to lua_owner"
        yield _finding(record, "ownership", one.owner, one.object, what, one.statement, "superuser")
