"""Who reaches what: each verdict is proven by really doing it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, TestServer
from psycopg import sql
from support_clinic import People

from luactl import access
from luactl.access import Reach
from luactl.db import Session
from luactl.errors import NotFoundError

NOW, SET, GRANT = "now", "after SET ROLE", "after granting it to itself"


class Clinic(People):
    """A table of patients, two roles that lead to it, and the logins that a test adds."""

    def __init__(self, server: TestServer, database: str, admin: Connection, folder: Path) -> None:
        super().__init__(server, database, admin, folder)
        self.run(
            "CREATE TABLE crm.patients (tenant_id bigint, name text, note text)",
            "ALTER TABLE crm.patients ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY tenant ON crm.patients USING (tenant_id = 1)",
            "INSERT INTO crm.patients VALUES (1, 'Ada Vesper', 'hidden'), (2, 'Ivo Lund', 'hidden')",
        )
        for role in ("medical", "support", "analyst"):
            self.run(f"CREATE ROLE {{{role}}} NOLOGIN")
            self.run(f"GRANT USAGE ON SCHEMA crm TO {{{role}}}")
            self.run(f"GRANT CONNECT ON DATABASE {database} TO {{{role}}}")
        self.run("GRANT SELECT ON crm.patients TO {medical}")
        self.run("GRANT {medical} TO {support}")
        self.run("GRANT SELECT (name) ON crm.patients TO {analyst}")

    def reads(self, person: str, *first: str, column: str = "note") -> bool:
        """Log in as somebody, do something first, and really read the patients."""
        return self.tries(person, *first, f"SELECT {column} FROM crm.patients")


@pytest.fixture
def clinic(server: TestServer, database: str, admin: Connection, tmp_path: Path) -> Iterator[Clinic]:
    """The clinic of access reviews; its roles go with it."""
    made = Clinic(server, database, admin, tmp_path)
    yield made
    made.remove()


def found(session: Session, clinic: Clinic, person: str, tenant: str | None = None) -> dict[str, Reach]:
    """Return what one login of the clinic reaches, by name."""
    return {
        row.reaches.removesuffix(f"_{clinic.tag}"): row
        for row in access.list_(session, tenant)
        if row.login == clinic.name(person)
    }


def test_anna_inherits_and_reads_now(session: Session, clinic: Clinic) -> None:
    clinic.hire("anna")
    clinic.run("GRANT {support} TO {anna}" + ("" if clinic.old else " WITH INHERIT TRUE, SET FALSE"))
    row = found(session, clinic, "anna")["crm.patients"]
    assert (row.how, row.kind, row.rights) == (NOW, "table", "SELECT")
    assert row.path == clinic.text("{anna} > {support} > {medical}")
    assert clinic.reads("anna")
    assert clinic.reads("anna", "SET ROLE {medical}") == clinic.old


def test_bert_reads_after_set_role(session: Session, clinic: Clinic) -> None:
    clinic.hire("bert")
    if clinic.old:
        clinic.run("ALTER ROLE {bert} NOINHERIT")
    clinic.run("GRANT {support} TO {bert}" + ("" if clinic.old else " WITH INHERIT FALSE, SET TRUE"))
    assert found(session, clinic, "bert")["crm.patients"].how == SET
    assert not clinic.reads("bert")
    assert clinic.reads("bert", "SET ROLE {support}")


def test_eve_who_does_not_inherit_reads_after_set_role(session: Session, clinic: Clinic) -> None:
    clinic.hire("eve", "ALTER ROLE {eve} NOINHERIT", "GRANT {medical} TO {eve}")
    row = found(session, clinic, "eve")["crm.patients"]
    assert (row.how, row.path) == (SET, clinic.text("{eve} > {medical}"))
    assert not clinic.reads("eve")
    assert clinic.reads("eve", "SET ROLE {medical}")


def test_cleo_grants_it_to_herself(session: Session, clinic: Clinic) -> None:
    if clinic.old:
        pytest.skip("a membership without INHERIT and SET exists from 16 on")
    clinic.hire("cleo", "GRANT {support} TO {cleo} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    assert found(session, clinic, "cleo")["crm.patients"].how == GRANT
    assert not clinic.reads("cleo")
    assert not clinic.reads("cleo", "SET ROLE {support}")
    assert clinic.reads("cleo", "GRANT {support} TO {cleo} WITH INHERIT TRUE, SET TRUE")


def test_dora_sees_one_column_of_all_rows(session: Session, clinic: Clinic) -> None:
    clinic.hire("dora", "ALTER ROLE {dora} BYPASSRLS", "GRANT {analyst} TO {dora}")
    rows = found(session, clinic, "dora")
    assert (rows["crm.patients.name"].kind, rows["crm.patients.name"].how) == ("column", NOW)
    assert (rows["BYPASSRLS"].kind, rows["BYPASSRLS"].how) == ("attribute", NOW)
    assert "crm.patients" not in rows
    assert not clinic.reads("dora")
    assert clinic.reads("dora", column="name")


def test_a_role_that_is_only_inherited_is_no_stepping_stone(session: Session, clinic: Clinic) -> None:
    if clinic.old:
        pytest.skip("SET and INHERIT are told apart from 16 on")
    clinic.run("REVOKE {medical} FROM {support}")
    clinic.run("GRANT {medical} TO {support} WITH INHERIT FALSE, SET TRUE")
    clinic.hire("kim", "GRANT {support} TO {kim} WITH INHERIT TRUE, SET FALSE")
    assert "crm.patients" not in found(session, clinic, "kim")
    assert not clinic.reads("kim")
    assert not clinic.reads("kim", "SET ROLE {medical}")
    assert not clinic.reads("kim", "SET ROLE {support}", "SET ROLE {medical}")


@pytest.mark.parametrize(
    ("person", "reaches", "kind", "arranged"),
    [
        ("max", "everything", "superuser", "ALTER ROLE {max} SUPERUSER"),
        ("max", "pg_read_all_data", "predefined role", "GRANT pg_read_all_data TO {max}"),
        (
            "max",
            "crm.patients",
            "owner",
            "ALTER TABLE crm.patients OWNER TO {max}; GRANT USAGE ON SCHEMA crm TO {max}",
        ),
        (
            "max",
            "crm.patients",
            "table",
            "GRANT SELECT ON crm.patients TO {max}; GRANT USAGE ON SCHEMA crm TO {max}",
        ),
        (
            "max",
            "crm.patients",
            "table",
            "GRANT SELECT ON crm.patients TO PUBLIC; GRANT USAGE ON SCHEMA crm TO {max}",
        ),
    ],
)
def test_other_ways_to_the_table(
    session: Session, clinic: Clinic, person: str, reaches: str, kind: str, arranged: str
) -> None:
    clinic.hire(person)
    assert reaches not in found(session, clinic, person)
    assert not clinic.reads(person)
    clinic.run(arranged)
    row = found(session, clinic, person)[reaches]
    assert (row.kind, row.how) == (kind, NOW)
    assert clinic.reads(person)
    assert row.path.endswith("PUBLIC") == ("PUBLIC" in arranged)


def test_a_grant_without_the_schema_reaches_nothing(session: Session, clinic: Clinic) -> None:
    clinic.hire("max", "GRANT SELECT ON crm.patients TO {max}")
    assert "crm.patients" not in found(session, clinic, "max")
    assert not clinic.reads("max")


def test_a_superuser_behind_set_role_is_told(session: Session, clinic: Clinic) -> None:
    clinic.run("CREATE ROLE {owner} SUPERUSER NOLOGIN")
    clinic.hire("max", "GRANT {owner} TO {max}")
    row = found(session, clinic, "max")["everything"]
    assert (row.kind, row.how) == ("superuser", SET)
    assert not clinic.reads("max")
    assert clinic.reads("max", "SET ROLE {owner}")


def test_a_definer_function_is_a_door(session: Session, clinic: Clinic) -> None:
    clinic.run(
        "CREATE FUNCTION crm.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM crm.patients'; GRANT USAGE ON SCHEMA crm TO PUBLIC"
    )
    clinic.hire("max")
    row = found(session, clinic, "max")["crm.peek()"]
    assert (row.kind, row.rights, row.how) == ("definer function", "EXECUTE", NOW)
    dsn = clinic.server.dsn(clinic.database, clinic.name("max"), clinic.passfile)
    with closing(psycopg.connect(dsn)) as conn:
        assert conn.execute("SELECT crm.peek()").fetchone() == (2,)


def test_who_makes_roles_may_grant_itself_any_of_them_up_to_15(session: Session, clinic: Clinic) -> None:
    clinic.hire("max", "ALTER ROLE {max} CREATEROLE")
    rows = found(session, clinic, "max")
    assert rows["CREATEROLE"].how == NOW
    assert clinic.reads("max", "GRANT {medical} TO {max}") == clinic.old == ("crm.patients" in rows)


def test_an_attribute_is_told_once_by_the_shortest_way(session: Session, clinic: Clinic) -> None:
    clinic.hire(
        "max", "ALTER ROLE {max} CREATEROLE", "ALTER ROLE {support} CREATEROLE", "GRANT {support} TO {max}"
    )
    rows = [
        row for row in access.list_(session) if (row.login, row.reaches) == (clinic.name("max"), "CREATEROLE")
    ]
    assert [(row.how, row.path) for row in rows] == [(NOW, clinic.name("max"))]


def test_the_houses_own_roles_are_one_row_each(session: Session, clinic: Clinic) -> None:
    clinic.hire("anna", "GRANT lua_auditor TO {anna}")
    rows = found(session, clinic, "anna")
    assert [(row.kind, row.reaches, row.how) for row in rows.values()] == [("group role", "lua_auditor", NOW)]


@pytest.fixture
def practice(session: Session) -> str:
    """The slug of a pooled tenant."""
    from luactl.tenant import NewTenant, create

    create(session, NewTenant("practice", "Praxis Weidenhof", "DE", "office@weidenhof.example"))
    return "practice"


def test_a_pooled_tenant_is_reached_through_the_shared_tables(
    session: Session, clinic: Clinic, practice: str
) -> None:
    clinic.hire("anna", "GRANT {support} TO {anna}")
    clinic.hire("bert", "GRANT lua_ai TO {bert}")
    assert "crm.patients" in found(session, clinic, "anna", practice)
    assert found(session, clinic, "bert", practice) == {}
    with pytest.raises(NotFoundError):
        access.list_(session, "nobody")


def test_a_dedicated_tenant_is_reached_through_its_own_role(
    session: Session, clinic: Clinic, practice: str
) -> None:
    own = int(clinic.tag, 16) % (1 << 40) + (1 << 40)
    admin = clinic.admin
    admin.execute("INSERT INTO lua.tenant_directory VALUES (%s, 'clinic', 1000000)", (own,))
    admin.execute(
        "INSERT INTO lua.tenant VALUES"
        " (%s, 'clinic', 'Clinic', 'DE', 'x', 'dedicated', 'active', NULL, now(), now())",
        (own,),
    )
    admin.execute("SELECT lua.make_tenant_roles(%s)", (own,))  # nobody is admitted
    clinic.hire("anna", "GRANT {support} TO {anna}")
    clinic.hire("bert", f"GRANT lua_t{own} TO {{bert}}")
    clinic.hire("cleo", f"GRANT lua_operator, lua_t{own}_staff TO {{cleo}}")
    clinic.hire("dora", "ALTER ROLE {dora} BYPASSRLS")
    clinic.hire("emil", "GRANT lua_operator, lua_admin TO {emil}")
    clinic.hire("fritz", f"ALTER ROLE {{fritz}} NOINHERIT; GRANT lua_operator, lua_t{own}_staff TO {{fritz}}")
    assert found(session, clinic, "anna", "clinic") == {}
    assert set(found(session, clinic, "dora", "clinic")) == {"BYPASSRLS"}
    assert f"lua_t{own}" in found(session, clinic, "bert", "clinic")
    cleo = found(session, clinic, "cleo", "clinic")
    assert {reaches: row.how for reaches, row in cleo.items()} == {
        "lua_operator": NOW,
        f"lua_t{own}_staff": NOW,
    }
    emil = found(session, clinic, "emil", "clinic")
    assert {row.how for row in emil.values()} == {"after granting it to itself"}
    assert found(session, clinic, "fritz", "clinic")["lua_operator"].how == "after SET ROLE"
    assert {row.reaches for row in access.list_(session, "clinic") if row.login == f"lua_t{own}"} == {
        "lua_app"
    }
    assert f"lua_t{own}" not in {row.login for row in access.list_(session, practice)}
    for role in (f"lua_t{own}", f"lua_t{own}_staff"):
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_the_command_shows_the_same(
    session: Session, clinic: Clinic, cli: Callable[..., Any], practice: str
) -> None:
    clinic.hire("eve", "ALTER ROLE {eve} NOINHERIT", "GRANT {medical} TO {eve}")
    done = cli("access", "list", "--tenant", practice, "-o", "json")
    assert done.returncode == 0, done.stderr
    rows = [row for row in json.loads(done.stdout)["data"] if row["login"] == clinic.name("eve")]
    assert {
        "login": clinic.name("eve"),
        "kind": "table",
        "reaches": "crm.patients",
        "rights": "SELECT",
        "how": SET,
        "path": clinic.text("{eve} > {medical}"),
    } in rows
    assert cli("access", "list", "--tenant", "nobody").returncode == 1
    assert "REACHES" in cli("access", "list").stdout
