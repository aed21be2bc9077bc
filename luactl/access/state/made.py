"""What the migrations made, beside what there is: rights of the group roles, row security, policies. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from psycopg import sql

from ...shipped import ALL, GROUPS, OWNERS, PRIVILEGES, Matrix, matrix, policies
from .finding import By, Finding
from .seen import Policy, Seen, Thing

BOUND = (*GROUPS, "lua_elevated")
"""Roles whose rights on objects are those of the migrations, and no others."""
_OPERATIONS = {privilege: operation for operation, privilege in PRIVILEGES.items()}
"""Of privileges on sequences."""


def rights(seen: Seen) -> Iterator[Finding]:
    """Yield what a group role may do beyond the migrations, or not although they let it."""
    things = {one.key: one for one in seen.things}
    for role in BOUND:
        held, right = _held(seen, role), matrix(role)
        more, less = held.beyond(right), right.beyond(held)
        for at in sorted({*more.held, *less.held}):
            if at[0] in things:  # what is no longer there has no rights to compare
                wrong, said = (
                    (more, "is not by the migrations") if more.touches(*at) else (less, "is missing")
                )
                what = f"{_named(_privilege(at), wrong.columns(*at))} {said}"
                yield _right(things[at[0]], at, role, what, held, right)


def _held(seen: Seen, role: str) -> Matrix:
    """Return what a role may do by its own rights in the catalog, in the words of the shipped rights."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in seen.things:
        for grantee, privilege, column in one.held:
            if grantee == role:
                operation = _OPERATIONS.get(privilege, privilege) if one.is_sequence else privilege
                found.setdefault((one.key, operation), set()).add(column or ALL)
    return Matrix({at: frozenset(columns) for at, columns in found.items()})


def _right(thing: Thing, at: tuple[str, str], role: str, what: str, held: Matrix, right: Matrix) -> Finding:
    privilege = _privilege(at)
    steps = [f"REVOKE {privilege} ON {thing.target} FROM {role}"] if held.touches(*at) else []
    if right.touches(*at):
        steps.append(f"GRANT {_named(privilege, right.columns(*at))} ON {thing.target} TO {role}")
    can = thing.name is not None and thing.owner in OWNERS
    act = ("right", thing.owner, at[0], privilege, role) if can else ()
    by: By = "luactl" if can else "superuser"
    return Finding("right", role, None, thing.target, what, None, "; ".join(steps), by, act)


def _privilege(at: tuple[str, str]) -> str:
    return PRIVILEGES.get(at[1], at[1])


def _named(privilege: str, columns: tuple[str, ...] | None) -> str:
    quoted = ", ".join(sql.Identifier(one).as_string(None) for one in columns or ())
    return privilege if columns is None else f"{privilege} ({quoted})"


def rows(seen: Seen) -> Iterator[Finding]:
    """Yield row security and policies of our tables that are not those of the migrations."""
    for _table, group in groupby(seen.policies, key=lambda one: one.object):
        found = {one.policy: one for one in group}
        table = found[""]
        wanted = {
            policy: definition for (name, policy), definition in policies().items()
            if name == table.model and not (policy and table.is_month)
        }  # fmt: skip
        for policy in sorted({*found, *wanted}):
            there = found[policy].definition if policy in found else ""
            if there != wanted.get(policy, ""):
                yield _row(table, policy, found.get(policy), wanted.get(policy))


def _row(table: Policy, policy: str, there: Policy | None, wanted: str | None) -> Finding:
    """Say what is wrong with row security (an empty name) or a policy, and what undoes it.

    What lets more rows show when it goes is left to a superuser: it could be somebody's, for a reason.
    """
    narrows = wanted is None and not (there and there.permissive)
    about = f"POLICY {policy} ON {table.object}" if policy else f"ROW SECURITY ON {table.object}"
    if wanted is None:
        what = "is not by the migrations" + (", and without it more rows would show" if narrows else "")
    else:
        what = "is not what the migrations made it" if there else "is missing"
    can = table.owner == "lua_owner" and not narrows
    act = ("policy", table.object, policy) if can else ()
    by: By = "luactl" if can else "superuser"
    return Finding(
        "policy", "PUBLIC", None, about, what, None, _made_anew(table.object, policy, there, wanted), by, act
    )


def _made_anew(table: str, policy: str, there: Policy | None, wanted: str | None) -> str:
    if not policy:
        return f"ALTER TABLE {table} {wanted or 'DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY'}"
    name = sql.Identifier(policy).as_string(None)
    steps = [f"DROP POLICY {name} ON {table}"] if there else []
    steps += [f"CREATE POLICY {name} ON {table} {wanted}"] if wanted else []
    return "; ".join(steps)
