"""`access who` and `access what`: what is told, and what would cut it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Connection, TestServer
from support_clinic import People

from luactl import access
from luactl.access import Access
from luactl.access.entrance import Rule, deciding
from luactl.access.graph import Graph, Membership, Role
from luactl.db import Session
from luactl.errors import NotFoundError, UsageError


class House(People):
    """Two logins, a role, and a table of patients in a schema that everybody may use."""

    def __init__(self, server: TestServer, database: str, admin: Connection, folder: Path) -> None:
        super().__init__(server, database, admin, folder)
        self.run("CREATE ROLE {ward} NOLOGIN; CREATE ROLE {anna} LOGIN; CREATE ROLE {bert} LOGIN")
        self.run("CREATE SCHEMA clinic; GRANT USAGE ON SCHEMA clinic TO PUBLIC")
        self.run("CREATE TABLE clinic.patients (name text, note text)")

    def told(self, session: Session, login: str, object_: str = "clinic.patients") -> list[Access]:
        """Return what `access who` says of one login."""
        return [row for row in access.who(session, object_) if row.login == self.name(login)]


@pytest.fixture
def house(server: TestServer, database: str, admin: Connection, tmp_path: Path) -> Iterator[House]:
    """The house of this file; its roles go with it."""
    made = House(server, database, admin, tmp_path)
    yield made
    made.remove()


def test_nobody_is_told_of_who_was_granted_nothing(session: Session, house: House) -> None:
    assert house.told(session, "anna") == []


@pytest.mark.parametrize(
    ("arranged", "how", "via", "path", "cut"),
    [
        ("GRANT SELECT ON clinic.patients TO {anna}", "now", "grant", "anna",
         'REVOKE SELECT ON TABLE clinic.patients FROM "anna"'),
        ("GRANT SELECT ON clinic.patients TO PUBLIC", "now", "PUBLIC", "anna",
         "REVOKE SELECT ON TABLE clinic.patients FROM PUBLIC"),
        ("ALTER TABLE clinic.patients OWNER TO {anna}", "now", "owner", "anna",
         "ALTER TABLE clinic.patients OWNER TO …"),
        ("ALTER TABLE clinic.patients OWNER TO {anna}; REVOKE ALL ON clinic.patients FROM {anna}",
         "after granting it to itself", "owner", "anna", "ALTER TABLE clinic.patients OWNER TO …"),
        ("CREATE VIEW clinic.names AS SELECT name FROM clinic.patients;"
         " GRANT SELECT ON clinic.names TO {anna}",
         "now", "view clinic.names", "anna", 'REVOKE SELECT ON TABLE clinic.names FROM "anna"'),
        ("CREATE MATERIALIZED VIEW clinic.old AS SELECT name FROM clinic.patients;"
         " GRANT SELECT ON clinic.old TO {anna}",
         "now", "copy clinic.old", "anna", 'REVOKE SELECT ON TABLE clinic.old FROM "anna"'),
        ("CREATE FUNCTION clinic.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
         " AS 'SELECT count(*) FROM clinic.patients'",
         "now", "function clinic.peek()", "anna", "REVOKE EXECUTE ON ROUTINE clinic.peek() FROM PUBLIC"),
        ("ALTER ROLE {anna} SUPERUSER", "now", "superuser", "anna", 'ALTER ROLE "anna" NOSUPERUSER'),
    ],
)  # fmt: skip
def test_each_way_is_told_with_what_cuts_it(
    session: Session, house: House, arranged: str, how: str, via: str, path: str, cut: str
) -> None:
    house.run(arranged)
    row = next(row for row in house.told(session, "anna") if "SELECT" in row.rights)
    assert (row.how, row.via, row.rows) == (how, via, "all")
    assert row.path == house.name(path)
    assert row.cut == cut.replace("anna", house.name("anna"))


def test_the_shortest_way_counts_and_another_one_is_left(session: Session, house: House) -> None:
    house.run("GRANT SELECT ON clinic.patients TO {ward}, {anna}; GRANT {ward} TO {anna}")
    (row,) = house.told(session, "anna")
    assert row.path == house.name("anna")
    (loss,) = access.explain(session, "clinic.patients", house.name("anna"))
    assert (loss.login, loss.rights) == (house.name("anna"), "SELECT")
    assert loss.still == f"now, grant: {house.name('anna')} > {house.name('ward')}"


def test_what_a_cut_takes_besides_is_told(session: Session, house: House) -> None:
    house.run(
        "CREATE TABLE clinic.rooms (name text); GRANT SELECT ON clinic.patients, clinic.rooms TO {ward}"
    )
    house.run("GRANT {ward} TO {anna}")
    losses = access.explain(session, "clinic.patients", house.name("anna"))
    assert {(one.login, one.object, one.still) for one in losses} == {
        (house.name("anna"), "clinic.patients", ""),
        (house.name("anna"), "clinic.rooms", ""),
    }


@pytest.mark.parametrize(
    "arranged",
    [
        "GRANT {anna} TO {bert}",
        "CREATE VIEW clinic.names AS SELECT name FROM clinic.patients;"
        " ALTER VIEW clinic.names OWNER TO {anna}; GRANT SELECT ON clinic.names TO {bert}",
    ],
)
def test_a_cut_takes_also_from_those_who_reach_it_over_somebody_else(
    session: Session, house: House, arranged: str
) -> None:
    house.run("GRANT SELECT ON clinic.patients TO {anna}", arranged)
    losses = access.explain(session, "clinic.patients", house.name("anna"))
    assert {one.login for one in losses if (one.object, one.still) == ("clinic.patients", "")} == {
        house.name("anna"), house.name("bert")
    }  # fmt: skip


def test_columns_are_told_where_the_whole_is_not_reached(session: Session, house: House) -> None:
    house.run("GRANT SELECT (name), UPDATE (name, note) ON clinic.patients TO {anna}")
    rows = {row.object: row.rights for row in house.told(session, "anna")}
    assert rows == {"clinic.patients (name)": "SELECT", "clinic.patients (name, note)": "UPDATE"}
    house.run("GRANT SELECT ON clinic.patients TO {anna}")
    rows = {row.object: row.rights for row in house.told(session, "anna")}
    assert rows == {"clinic.patients": "SELECT", "clinic.patients (name, note)": "UPDATE"}


def test_rows_that_no_policy_shows_are_none(session: Session, house: House) -> None:
    house.run("GRANT SELECT ON clinic.patients TO {anna}, {bert}")
    house.run("ALTER TABLE clinic.patients ENABLE ROW LEVEL SECURITY")
    house.run("CREATE POLICY own ON clinic.patients TO {bert} USING (name = current_user)")
    assert [row.rows for row in house.told(session, "anna")] == ["none"]
    assert [row.rows for row in house.told(session, "bert")] == ["policy"]


def test_an_object_is_found_by_its_name_and_kind(session: Session, house: House) -> None:
    house.run("CREATE FUNCTION clinic.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    house.run("CREATE FUNCTION clinic.f(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert {row.kind for row in access.who(session, "schema:clinic")} == {"schema"}
    with pytest.raises(UsageError, match="is 2 objects"):
        access.who(session, "clinic.f")
    assert {row.object for row in access.who(session, "clinic.f(text)")} == {"clinic.f(text)"}
    with pytest.raises(NotFoundError) as caught:
        access.who(session, "clinic.patient")
    assert "did you mean clinic.patients?" in str(caught.value.hint)
    with pytest.raises(NotFoundError):
        access.what(session, house.name("ward"))


def test_a_login_sees_all_that_it_reaches(session: Session, house: House) -> None:
    house.run("GRANT INSERT, SELECT ON clinic.patients TO {ward}; GRANT {ward} TO {anna}")
    rows = {row.object: row for row in access.what(session, house.name("anna"))}
    assert rows["clinic.patients"].rights == "INSERT, SELECT"
    assert rows["clinic"].rights == "USAGE"


GRAPH = Graph.of(
    170000,
    [Role(1, "anna", logs_in=True), Role(2, "staff"), Role(3, "robot", logs_in=True)],
    [Membership(1, 2, inherits=False, sets=False, administers=False, grantor=10)],
)


def rule(type_: str, address: str, method: str, users: str = "all", database: str = "all") -> Rule:
    """Return a rule for one user and database."""
    return Rule(type_, (database,), (users,), address, method)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([rule("host", "all", "scram-sha-256")], ["host all scram-sha-256"]),
        ([rule("host", "all", "reject"), rule("hostssl", "10.0.0.0/8", "cert")], ["host all reject"]),
        ([rule("hostssl", "10.0.0.0/8", "cert"), rule("host", "all", "reject")],
         ["hostssl 10.0.0.0/8 cert", "host all reject"]),
        ([rule("host", "10.0.0.0/8", "reject"), rule("host", "10.1.0.0/16", "cert")],
         ["host 10.0.0.0/8 reject"]),
        ([rule("host", "all", "cert", users="robot")], []),
        ([rule("host", "all", "cert", users="+staff")], ["host all cert"]),
        ([rule("host", "all", "cert", users="/^an")], ["host all cert"]),
        ([rule("host", "all", "cert", database="replication")], []),
        ([rule("host", "all", "cert", database="crm"), rule("local", "", "peer")],
         ["host all cert", "local peer"]),
        ([rule("host", "all", "cert", database="other")], []),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_decides(rules: list[Rule], said: list[str]) -> None:
    assert [str(one) for one in deciding(rules, GRAPH, GRAPH.roles[1], "crm")] == said


def test_who_cannot_get_in_is_told(session: Session, admin: Connection, house: House) -> None:
    house.run("GRANT SELECT ON clinic.patients TO {anna}, {bert}")
    database = admin.info.dbname
    admin.execute(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC".encode())
    house.run(f"GRANT CONNECT ON DATABASE {database} TO {{bert}}; ALTER ROLE {{bert}} CONNECTION LIMIT 0")
    assert house.told(session, "anna")[0].enters == "no: it may not CONNECT to the database"
    assert house.told(session, "bert")[0].enters == "no: its connection limit is 0"
    house.run("ALTER ROLE {bert} CONNECTION LIMIT 5")
    assert house.told(session, "bert")[0].enters.startswith("unknown: ")
    reader = session.actor
    admin.execute(f"GRANT SELECT ON pg_hba_file_rules TO {reader}".encode())
    admin.execute(f"GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {reader}".encode())
    assert "scram-sha-256" in house.told(session, "bert")[0].enters
    house.run("ALTER ROLE {bert} VALID UNTIL '2020-01-01'")
    assert house.told(session, "bert")[0].enters.startswith("no: its password is over (")


def test_when_a_login_was_last_seen_is_asked_of_the_ledger(session: Session, house: House) -> None:
    from luactl.tenant import NewTenant, create

    house.run("GRANT SELECT ON clinic.patients TO {anna}")
    admin_rows = [row for row in access.who(session, "lua.tenant") if row.login == session.actor]
    assert admin_rows[0].last_seen is None
    create(session, NewTenant("practice", "Praxis Weidenhof", "DE", "office@weidenhof.example"))
    admin_rows = [row for row in access.who(session, "lua.tenant") if row.login == session.actor]
    assert admin_rows[0].last_seen is not None
    assert house.told(session, "anna")[0].last_seen is None


def test_on_the_command_line(session: Session, house: House, cli: Callable[..., Any]) -> None:
    house.run("GRANT SELECT ON clinic.patients TO {ward}; GRANT {ward} TO {anna}")
    done = cli("access", "who", "clinic.patients", "-o", "json")
    assert done.returncode == 0, done.stderr
    rows = [row for row in json.loads(done.stdout)["data"] if row["login"] == house.name("anna")]
    assert [(row["rights"], row["path"]) for row in rows] == [
        ("SELECT", f"{house.name('anna')} > {house.name('ward')}")
    ]
    assert (
        house.name("ward") in cli("access", "who", "clinic.patients", "--explain", house.name("anna")).stdout
    )
    assert "clinic.patients" in cli("access", "what", house.name("anna")).stdout
    for wrong in (("who", "nothing"), ("what", "nobody"), ("who", "clinic.patients", "--explain", "nobody")):
        done = cli("access", *wrong)
        assert (done.returncode, "hint:" in done.stderr) == (1, True)
