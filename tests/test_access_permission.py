"""What the CRM's users may: one function decides, and agrees with an oracle, whatever it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import psycopg
import pytest
from conftest import Connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_crm import new_tenant
from support_user import NELE, WHO, made

from luactl.access import user
from luactl.client import Client
from luactl.db import Session
from luactl.errors import UsageError
from luactl.tenant import Tenant


@pytest.fixture
def smile(session: Session) -> Tenant:
    return new_tenant(session)


@pytest.fixture
def crm(login: Callable[..., Session]) -> Client:
    return Client(login("lua_app"))


# What a permission gives, said once more and by other means: sets instead of matching, no SQL.
CATALOGUE = {
    "contact": ({"read", "write", "delete", "export"}, False),
    "invoice": ({"read", "write", "export"}, False),
    "special": ({"read", "write", "delete", "export"}, True),
    "medical-record": ({"read", "write", "export"}, True),
    "report": ({"read"}, False),
}
NAMES = ("owner", "manager", "agent", "accountant", "reader")
things = st.sampled_from([*CATALOGUE, "*"])
ODD = (
    "contact",
    "contact.",
    ".read",
    "*",
    ".",
    "",
    "contact.read.all",
    "CONTACT.READ",
    " *.*",
    "%.%",
    "*.*.*",
)
"""What stands in no catalogue of permissions, and gives nothing wherever it got in."""
verbs = st.sampled_from(["read", "write", "delete", "export", "*"])
granted = st.lists(st.tuples(things, verbs), max_size=4)


def given_by(permissions: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return every (object, action) that these permissions open."""
    opened = set()
    for thing, verb in permissions:
        for name, (actions, sensitive) in CATALOGUE.items():
            plain = thing == name and verb != "*"
            if sensitive and not plain:
                continue
            if thing in (name, "*"):
                opened |= {(name, action) for action in actions if verb in (action, "*")}
    return opened


@pytest.fixture
def asked(admin: Connection, crm: Client, smile: Tenant) -> tuple[Connection, UUID, int]:
    return admin, made(crm, smile), smile.tenant_id


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=False,
)
@given(
    roles=st.fixed_dictionaries(dict.fromkeys(NAMES, granted)),
    odd=st.lists(st.sampled_from(ODD), max_size=3),
    held=st.sets(st.sampled_from(NAMES)),
    state=st.sampled_from(["active", "active", "active", "locked", "ended"]),
    standing=st.sampled_from(["active", "active", "suspended"]),
)
def test_the_one_function_says_what_an_oracle_says(
    asked: tuple[Connection, UUID, int],
    roles: dict[str, list[tuple[str, str]]],
    odd: list[str],
    held: set[str],
    state: str,
    standing: str,
) -> None:
    admin, who, tenant_id = asked
    wanted = set().union(*(given_by(roles[name]) for name in held)) if state == "active" else set()
    if standing == "suspended":
        wanted = {(name, action) for name, action in wanted if action in ("read", "export")}
    with admin.transaction(force_rollback=True):
        for name, permissions in roles.items():
            texts = [*odd, *(f"{thing}.{verb}" for thing, verb in permissions)]
            admin.execute("UPDATE crm.role SET permissions = %s WHERE role = %s", (texts, name))
        admin.execute(
            "SELECT crm.change_user(%s, %s, %s, %s, NULL, now(), %s)",
            (tenant_id, who, sorted(held), state, uuid4()),
        )
        admin.execute("UPDATE lua.tenant SET status = %s WHERE tenant_id = %s", (standing, tenant_id))
        rows = admin.execute(
            "SELECT o.object, a.action, crm.may(%(t)s, %(u)s, a.action, o.object),"
            " d.allowed, d.why, d.role, d.permission"
            " FROM lua.permission_object o, unnest(o.actions) AS a (action),"
            " crm.decide(%(t)s, %(u)s, a.action, o.object) AS d WHERE o.object = ANY (%(names)s)",
            {"t": tenant_id, "u": who, "names": list(CATALOGUE)},
        ).fetchall()
    assert {(name, action) for name, action, may, *_ in rows if may} == wanted
    for name, action, may, allowed, why, role, permission in rows:
        assert may == allowed
        if allowed:
            assert why == ("named" if permission == f"{name}.{action}" else "wildcard")
            assert role in held
            assert tuple(permission.split(".")) in roles[role]
        else:
            assert why not in ("named", "wildcard")


def test_nobody_elses_user_and_nothing_odd_is_let_in(
    crm: Client, smile: Tenant, session: Session, login: Callable[..., Session], admin: Connection
) -> None:
    who, other = made(crm, smile, "owner"), new_tenant(session, "other")
    theirs = crm.add_user(other.tenant_id, NELE, ["reader"], **WHO).user_id
    decide = "SELECT d.allowed, d.why FROM crm.decide(%s, %s, %s, %s) AS d"
    for tenant_id, user_id, action, thing, why in (
        (smile.tenant_id, theirs, "read", "contact", "no such user"),
        (other.tenant_id, who, "read", "contact", "no such user"),
        (0, who, "read", "contact", "no such user"),
        (smile.tenant_id, None, "read", "contact", "no such user"),
        (smile.tenant_id, who, None, "contact", "no such action"),
        (smile.tenant_id, who, "*", "contact", "no such action"),
        (smile.tenant_id, who, "READ", "contact", "no such action"),
        (smile.tenant_id, who, "read' OR 'x", "contact", "no such action"),
        (smile.tenant_id, who, "read", None, "no such object"),
        (smile.tenant_id, who, "read", "*", "no such object"),
        (smile.tenant_id, who, "read", "contact.read", "no such object"),
        (smile.tenant_id, who, "read", "special", "no role of the user gives it"),
    ):
        said = crm.session.conn.execute(decide, (tenant_id, user_id, action, thing)).fetchall()
        assert said == [(False, why)], (tenant_id, user_id, action, thing)
    # The role of that name is the tenant's own: what another tenant's `reader` may is nothing to this one.
    admin.execute("UPDATE crm.role SET permissions = '{*.*}' WHERE role = 'reader' AND tenant_id = %s", [
        smile.tenant_id
    ])  # fmt: skip
    assert not crm.may(other.tenant_id, theirs, "delete", "contact")
    for role in ("lua_accounting", "lua_ai"):
        outsider = login(role)
        for call in (decide, "SELECT crm.may(%s, %s, %s, %s)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                outsider.conn.execute(call, (smile.tenant_id, who, "read", "contact"))
    for tenant_id in (1 << 40, -1, None):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            crm.session.conn.execute(decide, (tenant_id, who, "read", "contact"))


def test_what_is_explained_is_what_the_crm_is_told(
    session: Session, crm: Client, smile: Tenant, admin: Connection
) -> None:
    who = made(crm, smile, "agent")
    there = user.find(session, smile, who)
    yes = user.explain(session, smile, there, "read", "contact")
    assert (yes.allowed, yes.why, yes.role, yes.permission) == (True, "named", "agent", "contact.read")
    no = user.explain(session, smile, there, "export", "contact")
    assert (no.allowed, no.why, no.role) == (False, "no role of the user gives it", None)
    assert no.would_give == ("manager", "owner")
    admin.execute("UPDATE crm.role SET permissions = '{*.*}' WHERE role = 'agent'")
    apart = user.explain(session, smile, there, "read", "special")
    assert (apart.allowed, apart.sensitive, apart.permission) == (False, True, "*.*")
    assert apart.why == "sensitive: no wildcard gives it"
    assert not crm.may(smile.tenant_id, who, "read", "special")
    admin.execute("UPDATE crm.role SET permissions = '{special.read}' WHERE role = 'agent'")
    assert crm.may(smile.tenant_id, who, "read", "special")
    assert not crm.may(smile.tenant_id, uuid4(), "read", "special")
    for action, object_ in (("read", "moon"), ("fly", "contact")):
        with pytest.raises(UsageError):
            user.explain(session, smile, there, action, object_)
        assert not crm.may(smile.tenant_id, who, action, object_)
    assert (
        json.dumps([one.object for one in user.objects(session) if one.sensitive])
        == '["medical-record", "special"]'
    )
