"""What a login reaches by code that it puts where others run it: planted, set off and gained, each way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Connection, TestServer
from support_clinic import People

from luactl import access
from luactl.access import Access
from luactl.db import Session

LOOT = (
    "CREATE TABLE hers{n}.loot (name text); GRANT INSERT ON hers{n}.loot TO PUBLIC",
    "CREATE FUNCTION hers{n}.take() RETURNS boolean LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO hers{n}.loot SELECT p.name FROM clinic.patients p; RETURN true; END'",
    "CREATE FUNCTION hers{n}.fires() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM hers{n}.take(); RETURN coalesce(new, old); END'",
)
"""What the one who plants makes in a schema of her own, in which nobody else looks."""
TRIGGER = (
    "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON clinic.rooms{n}"
    " FOR EACH ROW EXECUTE FUNCTION hers{n}.fires()"
)
COUNTS = (
    "CREATE FUNCTION clinic.count{n}() RETURNS bigint LANGUAGE sql SECURITY DEFINER %s"
    " AS 'SELECT count(b.name) FROM %s b'; ALTER FUNCTION clinic.count{n}() OWNER TO {ward}"
)
MISLEADS = "CREATE AGGREGATE hers{n}.count(text) (sfunc = hers{n}.adds, stype = bigint, initcond = '0')"
ADDS = (
    "CREATE FUNCTION hers{n}.adds(bigint, text) RETURNS bigint LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM hers{n}.take(); RETURN 1; END'"
)


@dataclass(frozen=True)
class Case:
    """One way; in statements `{n}` is its number."""

    via: str
    arranged: tuple[str, ...]
    planted: tuple[str, ...]
    by: str
    acts: tuple[str, ...]
    path: str = "{anna} > {bert}"


CASES = (
    Case("a trigger on clinic.rooms{n}, if {bert} writes",
         ("GRANT TRIGGER ON clinic.rooms{n} TO {anna}", "GRANT INSERT ON clinic.rooms{n} TO {bert}"),
         (TRIGGER,), "bert", ("INSERT INTO clinic.rooms{n} VALUES ('x')",)),
    Case("clinic.rooms{n} itself, if {bert} reads it",
         ("ALTER TABLE clinic.rooms{n} OWNER TO {anna}", "GRANT SELECT ON clinic.rooms{n} TO {bert}"),
         ("INSERT INTO clinic.rooms{n} VALUES ('x'); ALTER TABLE clinic.rooms{n} ENABLE ROW LEVEL SECURITY",
          "CREATE POLICY p ON clinic.rooms{n} USING (hers{n}.take())"),
         "bert", ("SELECT * FROM clinic.rooms{n}",)),
    Case("clinic.seen{n} itself, if {bert} reads it",
         ("CREATE VIEW clinic.seen{n} AS SELECT true AS a; ALTER VIEW clinic.seen{n} OWNER TO {anna}",
          "GRANT SELECT ON clinic.seen{n} TO {bert}"),
         ('CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO clinic.seen{n} DO INSTEAD'
          " SELECT hers{n}.take() AS a",),
         "bert", ("SELECT * FROM clinic.seen{n}",)),
    Case("function clinic.counts{n}(), if {bert} calls it",
         ("GRANT CREATE ON SCHEMA clinic TO {anna}",
          "CREATE FUNCTION clinic.counts{n}() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
          "ALTER FUNCTION clinic.counts{n}() OWNER TO {anna}",
          "REVOKE EXECUTE ON FUNCTION clinic.counts{n}() FROM PUBLIC",
          "GRANT EXECUTE ON FUNCTION clinic.counts{n}() TO {bert}"),
         ("CREATE OR REPLACE FUNCTION clinic.counts{n}() RETURNS boolean LANGUAGE sql AS"
          " 'SELECT hers{n}.take()'",),
         "bert", ("SELECT clinic.counts{n}()",)),
    Case("function clinic.notes{n}(), a trigger on clinic.rooms{n}, if {bert} writes",
         ("GRANT CREATE ON SCHEMA clinic TO {anna}",
          "CREATE FUNCTION clinic.notes{n}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
          "REVOKE EXECUTE ON FUNCTION clinic.notes{n}() FROM PUBLIC",
          "CREATE TRIGGER t BEFORE INSERT ON clinic.rooms{n} FOR EACH ROW EXECUTE FUNCTION clinic.notes{n}()",
          "ALTER FUNCTION clinic.notes{n}() OWNER TO {anna}", "GRANT INSERT ON clinic.rooms{n} TO {bert}"),
         ("CREATE OR REPLACE FUNCTION clinic.notes{n}() RETURNS trigger LANGUAGE plpgsql AS"
          " 'BEGIN PERFORM hers{n}.take(); RETURN new; END'",),
         "bert", ("INSERT INTO clinic.rooms{n} VALUES ('x')",)),
    Case("a name in schema open{n}, if {bert} searches it",
         ("CREATE SCHEMA open{n}; GRANT USAGE, CREATE ON SCHEMA open{n} TO {anna}",
          "GRANT USAGE ON SCHEMA open{n} TO {bert}", "ALTER ROLE {bert} SET search_path = clinic, open{n}"),
         ("CREATE FUNCTION open{n}.lower(character varying) RETURNS text LANGUAGE sql AS"
          " 'SELECT hers{n}.take()::text'",),
         "bert", ("SELECT lower('x'::character varying)",)),
    Case("a schema named {bert}, if {bert} searches it",
         ("GRANT CREATE ON DATABASE {database} TO {anna}", "GRANT INSERT ON clinic.rooms{n} TO {bert}"),
         ("CREATE SCHEMA {bert}; GRANT USAGE ON SCHEMA {bert} TO {bert}",
          "CREATE FUNCTION {bert}.lower(character varying) RETURNS text LANGUAGE sql AS"
          " 'SELECT hers{n}.take()::text'"),
         "bert", ("SELECT lower('x'::character varying)",)),
    Case("a name in function clinic.count{n}()", (COUNTS % ("", "clinic.beds"),), (ADDS, MISLEADS),
         "anna", ("SET search_path = hers{n}", "SELECT clinic.count{n}()"), "{anna} > {ward}"),
    Case("a name in function clinic.count{n}()", (
             COUNTS % ("SET search_path = clinic", "beds"),
             "GRANT TEMPORARY ON DATABASE {database} TO {anna}",
         ), (),
         "anna", ("CREATE TEMPORARY VIEW beds AS SELECT hers{n}.take()::text AS name",
                  "GRANT ALL ON beds TO PUBLIC",
                  "SELECT clinic.count{n}()"), "{anna} > {ward}"),
    Case("a trigger on clinic.rooms{n}, if function clinic.adds{n}() is called",
         ("CREATE FUNCTION clinic.adds{n}() RETURNS boolean LANGUAGE sql SECURITY DEFINER"
          " SET search_path = '' AS 'INSERT INTO clinic.rooms{n} VALUES (''x'') RETURNING true'",
          "ALTER FUNCTION clinic.adds{n}() OWNER TO {ward}",
          "GRANT INSERT, SELECT ON clinic.rooms{n} TO {ward}",
          "GRANT TRIGGER ON clinic.rooms{n} TO {anna}", "REVOKE SELECT ON clinic.patients FROM {bert}"),
         (TRIGGER,), "bert", ("SELECT clinic.adds{n}()",), "{anna} > {ward}"),
    Case("a trigger on clinic.rooms{n}, if rows of clinic.floors{n} change",
         ("CREATE TABLE clinic.floors{n} (name text PRIMARY KEY); INSERT INTO clinic.floors{n} VALUES ('x')",
          "ALTER TABLE clinic.rooms{n} ADD FOREIGN KEY (name) REFERENCES clinic.floors{n} ON DELETE CASCADE",
          "INSERT INTO clinic.rooms{n} VALUES ('x'); ALTER TABLE clinic.rooms{n} OWNER TO {ward}",
          "GRANT TRIGGER ON clinic.rooms{n} TO {anna}; GRANT DELETE ON clinic.floors{n} TO {bert}",
          "REVOKE SELECT ON clinic.patients FROM {bert}"),
         (TRIGGER,), "bert", ("DELETE FROM clinic.floors{n}",), "{anna} > {ward}"),
)  # fmt: skip


class Ward(People):
    """Patients that a ward and bert may read, and anna, who may not; everybody anew in each case."""

    n = 0

    def __init__(self, server: TestServer, database: str, admin: Connection, folder: Path) -> None:
        super().__init__(server, database, admin, folder)
        self.run(
            "CREATE SCHEMA clinic; GRANT USAGE ON SCHEMA clinic TO PUBLIC",
            "CREATE TABLE clinic.patients (name text); INSERT INTO clinic.patients VALUES ('Ada Vesper')",
            "CREATE TABLE clinic.beds (name text); INSERT INTO clinic.beds VALUES ('1')",
        )

    def text(self, statement: str) -> str:
        """Put the number and the database in."""
        return super().text(statement.replace("{n}", str(self.n)).replace("{database}", self.database))

    def name(self, role: str) -> str:
        """Return the name of a role in this case."""
        return super().name(f"{role}{self.n}")

    def begin(self) -> None:
        """Make new people instead of the last ones, a room, and a schema of anna's own."""
        self.remove()
        self.n += 1
        self.hire("anna")
        self.hire("bert")
        self.run(
            "CREATE ROLE {ward} NOLOGIN",
            "GRANT SELECT ON clinic.patients TO {bert}, {ward}; GRANT SELECT ON clinic.beds TO {ward}",
            "CREATE TABLE clinic.rooms{n} (name text)",
            "CREATE SCHEMA hers{n} AUTHORIZATION {anna}; GRANT USAGE ON SCHEMA hers{n} TO PUBLIC",
        )

    def does(self, person: str, *statements: str) -> list[tuple[Any, ...]]:
        """Log in, do something for good, and return what the last brings."""
        dsn = self.server.dsn(self.database, self.name(person), self.passfile)
        with closing(psycopg.connect(dsn, autocommit=True)) as conn:
            for statement in statements:
                done = conn.execute(self.text(statement).encode())
            return done.fetchall() if done.description else []

    def told(self, session: Session) -> dict[str, Access]:
        """Return what is told of anna and the patients that she reaches by code, by what leads there.

        Without what takes a superuser to run it, which goes for all code.
        """
        rows = [row for row in access.who(session, "clinic.patients") if row.login == self.name("anna")]
        assert {row.how for row in rows} <= {"after planting code"}
        return {row.via: row for row in rows if "SELECT" in row.rights and "> postgres" not in row.path}


@pytest.fixture
def ward(server: TestServer, database: str, admin: Connection, tmp_path: Path) -> Iterator[Ward]:
    """The ward of this file; its roles go with it."""
    made = Ward(server, database, admin, tmp_path)
    yield made
    made.remove()


def test_each_way_is_told_and_is_one(session: Session, ward: Ward) -> None:
    for case in CASES:
        ward.begin()
        ward.run(*case.arranged)
        told = ward.told(session).get(ward.text(case.via))
        assert told, (case, ward.told(session))
        assert (told.path, told.rows) == (ward.text(case.path), "all")
        ward.does("anna", *LOOT, *case.planted)
        assert ward.does("anna", "SELECT * FROM hers{n}.loot") == []
        ward.does(case.by, *case.acts)
        assert set(ward.does("anna", "SELECT * FROM hers{n}.loot")) == {("Ada Vesper",)}, case


def test_what_cuts_it_keeps_the_code_out(session: Session, ward: Ward) -> None:
    ward.begin()
    ward.run(*CASES[0].arranged, "GRANT lua_auditor TO {bert}")
    (told,) = ward.told(session).values()
    runs = {row.object: row for row in access.what(session, told.login) if row.rights == "CODE"}
    as_bert = runs.pop(ward.name("bert"))
    assert all("if postgres writes" in row.via for row in runs.values())
    assert (as_bert.object, as_bert.kind, as_bert.via) == (ward.name("bert"), "role", told.via)
    assert as_bert in access.who(session, f"role:{ward.name('bert')}")
    listed = [row for row in access.list_(session) if row.login == told.login and row.kind == "code"]
    assert {row.reaches: row.path for row in listed}[ward.name("bert")] == f"{told.path} > {told.via}"
    losses = access.explain(session, "clinic.patients", told.login)
    assert {(one.object, one.rights, one.still) for one in losses if one.cut == told.cut} == {
        (ward.text("clinic.rooms{n}"), "TRIGGER", ""), (ward.name("bert"), "CODE", ""),
        *((name, "CODE", "") for name in runs),
    }  # fmt: skip
    ward.run(told.cut)
    assert ward.told(session) == {}
    assert [row for row in access.what(session, told.login) if row.rights == "CODE"] == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ward.does("anna", *LOOT, TRIGGER)


def test_a_function_that_names_all_in_full_cannot_be_misled(session: Session, ward: Ward) -> None:
    ward.begin()
    ward.run(COUNTS % ("SET search_path = ''", "clinic.beds"))
    ward.run("GRANT TEMPORARY ON DATABASE {database} TO {anna}")
    assert ward.told(session) == {}
    ward.does("anna", *LOOT, ADDS, MISLEADS, "SET search_path = hers{n}", "SELECT clinic.count{n}()")
    assert ward.does("anna", "SELECT * FROM hers{n}.loot") == []


def test_code_that_somebody_runs_plants_more(session: Session, ward: Ward) -> None:
    ward.begin()
    ward.hire("cleo", "GRANT SELECT ON clinic.patients TO {cleo}")
    ward.run(
        "REVOKE SELECT ON clinic.patients FROM {bert}",
        "GRANT TRIGGER ON clinic.rooms{n} TO {anna}; GRANT INSERT ON clinic.rooms{n} TO {bert}",
        "CREATE TABLE clinic.beds{n} (name text); GRANT TRIGGER ON clinic.beds{n} TO {bert}",
    )
    assert ward.told(session) == {}
    ward.run("GRANT INSERT ON clinic.beds{n} TO {cleo}")
    (told,) = ward.told(session).values()
    assert told.path == ward.text("{anna} > {bert} > {cleo}")
    assert told.via == ward.text(
        "a trigger on clinic.rooms{n}, if {bert} writes; then a trigger on clinic.beds{n}, if {cleo} writes"
    )
    second = TRIGGER.replace("rooms", "beds")
    spreads = LOOT[2].replace("fires", "spreads").replace("PERFORM hers{n}.take()", f"EXECUTE $t${second}$t$")
    ward.does("anna", *LOOT, spreads, TRIGGER.replace("fires", "spreads"))
    ward.does("bert", "INSERT INTO clinic.rooms{n} VALUES ('x')")
    ward.does("cleo", "INSERT INTO clinic.beds{n} VALUES ('x')")
    assert ward.does("anna", "SELECT * FROM hers{n}.loot") == [("Ada Vesper",)]


def test_a_rule_acts_with_its_owners_rights(session: Session, ward: Ward) -> None:
    ward.begin()
    rule = "CREATE RULE r AS ON INSERT TO clinic.rooms{n} DO INSTEAD DELETE FROM clinic.patients"
    ward.run(rule, "ALTER TABLE clinic.rooms{n} OWNER TO {ward}; GRANT INSERT ON clinic.rooms{n} TO {anna}")
    reached = [row for row in access.who(session, "clinic.patients") if row.login == ward.name("anna")]
    assert reached == []
    assert not ward.tries("anna", "INSERT INTO clinic.rooms{n} VALUES ('x')")
    ward.run("GRANT DELETE ON clinic.patients TO {ward}")
    (told,) = [row for row in access.who(session, "clinic.patients") if row.login == ward.name("anna")]
    assert (told.rights, told.how, told.via) == ("DELETE", "now", ward.text("rule on clinic.rooms{n}"))
    ward.does("anna", "INSERT INTO clinic.rooms{n} VALUES ('x')")
    assert ward.admin.execute("SELECT count(*) FROM clinic.patients").fetchone() == (0,)
    ward.run(told.cut)
    assert [row for row in access.who(session, "clinic.patients") if row.login == ward.name("anna")] == []
