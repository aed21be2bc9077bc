"""Promise 5.4 of dedicated tenants: kept as they are made, broken by whatever a superuser does to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Connection
from support_erasure import practice
from support_staff import vouch

from luactl import promise, retention
from luactl.db import Session
from luactl.errors import RefusedError
from luactl.promise import Look
from luactl.promise.proving import look
from luactl.shipped import GROUPS
from luactl.tenant import ADMISSION, NewTenant, admit, create

PAGE = promise.load()


def run(session: Session, probe: str) -> Look:
    return look(session, PAGE, probe)


@pytest.fixture
def keeper(session: Session, login: Callable[..., Session]) -> Session:
    """A login that may become every group role, beside a pooled tenant with people."""
    tenant = practice(session)
    retention.purge(session, retention.plan(session, [tenant]))
    return login(*GROUPS)


def test_a_dedicated_tenant_is_looked_at_by_its_staff(
    session: Session, keeper: Session, admin: Connection
) -> None:
    vouch(session)
    castle = create(session, NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated"))
    found = run(keeper, "orphans")
    assert (found.state, found.unseen) == (
        "not observable",
        [f"the rows of castle show to its own staff alone: {ADMISSION}"],
    )
    assert run(keeper, "retention").state == "not observable"
    assert run(keeper, "dedicated").state == "kept"
    with pytest.raises(RefusedError, match="a login of the CRM or its AI"):
        admit(session, "castle", keeper.actor)  # it may become lua_app, which the tenant is kept apart from
    admin.execute(f"GRANT lua_t{castle.tenant_id}_staff TO {keeper.actor}")
    more = run(keeper, "orphans")
    assert (more.state, more.attempts) == ("kept", found.attempts + 2)


# What a superuser can do to a dedicated tenant's isolation ({own}: its id), and what the probe says then.
MERGERS = [
    ("DROP TABLE crm.contact_t{own}", "castle is dedicated, but shares crm.contact"),
    (
        "ALTER TABLE crm.interaction DETACH PARTITION crm.interaction_t{own};"
        "ALTER TABLE crm.interaction ATTACH PARTITION crm.interaction_t{own} FOR VALUES IN ({own}, 5)",
        "castle is dedicated, but shares crm.interaction",
    ),
    ("ALTER TABLE crm.subject_pooled DROP CONSTRAINT pooled", "crm.subject_pooled takes rows of dedicated"),
    ("ALTER TABLE crm.role_t{own} DISABLE ROW LEVEL SECURITY", "the row security of crm.role_t{own}"),
    (
        "ALTER TABLE crm.role_t{own} DISABLE ROW LEVEL SECURITY; GRANT SELECT ON crm.role_t{own} TO lua_app",
        "lua_app can read rows of castle in crm.role_t{own}",
    ),
    (
        "CREATE POLICY open ON crm.role FOR SELECT TO lua_app USING (true)",
        "lua_app can read rows of castle in crm.role",
    ),
    (
        "ALTER POLICY tenant ON lua.tenant USING (tenant_id >= 1099511627776)",
        "lua_app can read rows of castle in lua.tenant",
    ),
    ("GRANT lua_t{own}_staff TO lua_operator", "lua_operator can read rows of castle in crm.role"),
    ("GRANT lua_t{own}_staff TO lua_app", "lua_app is a member of lua_t{own}_staff"),
    ("GRANT lua_operator TO lua_t{own}", "lua_t{own} is a member of lua_operator"),
    ("ALTER ROLE lua_t{own} BYPASSRLS", "lua_t{own} is not as it was made"),
    (
        "ALTER TABLE crm.contact_t{own} DROP CONSTRAINT contact_tenant_id_subject_id_fkey",
        "lacks the foreign key",
    ),
]


# One way in five suits every day; each makes a dedicated tenant and looks at everything twice.
@pytest.mark.parametrize(
    ("breach", "said"),
    [pytest.param(*one, marks=[pytest.mark.long] if n else [], id=str(n)) for n, one in enumerate(MERGERS)],
)
def test_what_a_superuser_does_to_a_dedicated_tenant_is_found(
    session: Session, keeper: Session, admin: Connection, breach: str, said: str
) -> None:
    vouch(session)
    own = create(session, NewTenant("castle", "Castle", "DE", "office@castle.example", "dedicated")).tenant_id
    assert run(keeper, "dedicated").state == "kept"
    admin.execute(breach.format(own=own).encode())
    found = run(keeper, "dedicated")
    assert found.state == "broken"
    assert [one for one in found.broken if said.format(own=own) in one], found.broken
