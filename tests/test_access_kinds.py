"""`access who` and `access what` over all kinds of objects: what is told is what a login really gets at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, TestServer
from support_clinic import People

from luactl import access
from luactl.access import Access
from luactl.db import Session

SEEN = "SELECT true FROM pg_user_mappings WHERE srvname = 'elsewhere' AND umoptions IS NOT NULL"
LOCK = "LOCK TABLE clinic.patients IN SHARE UPDATE EXCLUSIVE MODE"


class House(People):
    """Two logins, and a table of patients."""

    def __init__(self, server: TestServer, database: str, admin: Connection, folder: Path) -> None:
        super().__init__(server, database, admin, folder)
        self.hire("anna")
        self.hire("bert")
        self.run("CREATE ROLE {ward} NOLOGIN", "CREATE SCHEMA clinic")
        self.run(
            "CREATE TABLE clinic.patients (name text)", "INSERT INTO clinic.patients VALUES ('Ada Vesper')"
        )

    def who(self, session: Session, object_: str, login: str = "anna") -> list[Access]:
        """Return what is told of one login and an object."""
        return [row for row in access.who(session, object_) if row.login == self.name(login)]

    def what(self, session: Session, kind: str, login: str = "anna") -> dict[str, Access]:
        """Return what one login reaches of a kind, by the object."""
        rows = access.what(session, self.name(login))
        return {row.object.replace(f"_{self.tag}", ""): row for row in rows if row.kind == kind}


@pytest.fixture
def house(server: TestServer, database: str, admin: Connection, tmp_path: Path) -> Iterator[House]:
    """The house of this file; its roles go with it."""
    made = House(server, database, admin, tmp_path)
    yield made
    made.remove()


def test_what_is_to_come_is_told_before_it_is_there(session: Session, house: House) -> None:
    house.run("GRANT USAGE ON SCHEMA clinic TO {anna}", "GRANT CREATE, USAGE ON SCHEMA clinic TO {bert}")
    house.run("ALTER DEFAULT PRIVILEGES FOR ROLE {bert} IN SCHEMA clinic GRANT SELECT ON TABLES TO {anna}")
    told = house.what(session, "default privilege")["tables to come in clinic, made by bert"]
    assert (told.rights, told.how, told.via) == ("SELECT", "now", "grant")
    assert told in house.who(session, "schema:clinic")
    made = (
        "SET ROLE {bert}; CREATE TABLE clinic.%s (note text); INSERT INTO clinic.%s VALUES ('x'); RESET ROLE"
    )
    house.run(made % ("first", "first"))
    assert house.tries("anna", "SELECT true FROM clinic.first")
    house.run(told.cut, made % ("second", "second"))
    assert not house.tries("anna", "SELECT true FROM clinic.second")
    assert house.what(session, "default privilege") == {}


def test_credentials_for_another_server_are_told(session: Session, house: House) -> None:
    house.run("CREATE FOREIGN DATA WRAPPER plain", "CREATE SERVER elsewhere FOREIGN DATA WRAPPER plain")
    house.run("CREATE USER MAPPING FOR {anna} SERVER elsewhere OPTIONS (password 'hidden')")
    house.run("GRANT {anna} TO {bert}")
    assert house.what(session, "user mapping") == {}
    assert not house.tries("anna", SEEN)
    house.run("GRANT USAGE ON FOREIGN SERVER elsewhere TO {anna}")
    for login, how, first in (("anna", "now", ()), ("bert", "after SET ROLE", ("SET ROLE {anna}",))):
        told = house.what(session, "user mapping", login)["elsewhere for anna"]
        assert (told.rights, told.how) == ("USE", how)
        assert house.tries(login, *first, SEEN)
    assert not house.tries("bert", SEEN)
    house.run(house.what(session, "user mapping")["elsewhere for anna"].cut)
    assert house.what(session, "user mapping") == house.what(session, "user mapping", "bert") == {}


@pytest.mark.parametrize(
    "arranged",
    [
        "GRANT MAINTAIN ON clinic.patients TO {anna}; GRANT USAGE ON SCHEMA clinic TO {anna}",
        "GRANT pg_maintain TO {anna}; GRANT USAGE ON SCHEMA clinic TO {anna}",
        "ALTER TABLE clinic.patients OWNER TO {anna}; GRANT USAGE ON SCHEMA clinic TO {anna}",
    ],
)
def test_who_may_maintain_is_told(session: Session, house: House, arranged: str) -> None:
    if house.admin.info.server_version < 170000:
        pytest.skip("MAINTAIN exists from 17 on")
    assert not house.tries("anna", LOCK)
    house.run(arranged)
    assert any("MAINTAIN" in row.rights.split(", ") for row in house.who(session, "clinic.patients"))
    assert house.tries("anna", LOCK)


def test_large_objects_and_parameters_are_told(session: Session, house: House) -> None:
    row = house.admin.execute("SELECT lo_from_bytea(0, 'hidden')").fetchone()
    assert row is not None
    reads, sets = f"SELECT lo_get({row[0]})", "SET log_min_messages = 'error'"
    assert not house.tries("anna", reads)
    assert not house.tries("anna", sets)
    house.run(
        f"GRANT SELECT ON LARGE OBJECT {row[0]} TO {{anna}}",
        "GRANT SET ON PARAMETER log_min_messages TO {anna}",
    )
    assert [one.rights for one in house.who(session, f"large object:{row[0]}")] == ["SELECT"]
    assert [one.rights for one in house.who(session, "parameter:log_min_messages")] == ["SET"]
    assert house.tries("anna", reads)
    assert house.tries("anna", sets)
    house.run(
        *(one.cut for kind in ("large object", "parameter") for one in house.what(session, kind).values())
    )
    assert not house.tries("anna", reads)
    assert not house.tries("anna", sets)


def test_who_runs_programs_on_the_server_reads_its_files(session: Session, house: House) -> None:
    house.run("GRANT pg_execute_server_program TO {anna}", "CHECKPOINT")
    (told,) = house.who(session, "clinic.patients")
    assert (told.via, told.rows, told.rights) == (
        "pg_execute_server_program", "all", "DELETE, INSERT, SELECT, UPDATE",
    )  # fmt: skip
    place = "current_setting('data_directory') || '/' || pg_relation_filepath('clinic.patients')"
    row = house.admin.execute(f"SELECT {place}".encode()).fetchone()
    assert row is not None
    looks = f"COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; grep -q %s {row[0]}'"
    assert house.tries("anna", looks % "Ada")
    assert not house.tries("bert", looks % "Ada")
    with pytest.raises(psycopg.errors.ExternalRoutineException):
        house.tries("anna", looks % "Nobody")
    house.run(told.cut)
    assert house.who(session, "clinic.patients") == []


def test_who_replicates_copies_all(session: Session, house: House) -> None:
    copies = f"{house.server.dsn(house.database, house.name('anna'), house.passfile)} replication=database"
    with pytest.raises(
        psycopg.OperationalError,
        match=r"permission denied to start WAL sender|must be superuser or replication role",
    ):
        psycopg.connect(copies)
    house.run("ALTER ROLE {anna} REPLICATION")
    (told,) = house.who(session, "clinic.patients")
    assert (told.via, told.rows, told.rights) == ("REPLICATION", "all", "SELECT")
    assert house.what(session, "attribute")["REPLICATION"].rights == "copies the whole server"
    with closing(psycopg.connect(copies, autocommit=True)) as conn:
        assert conn.execute("IDENTIFY_SYSTEM").fetchone()
    house.run(told.cut)
    assert house.who(session, "clinic.patients") == []


def test_who_has_becomes_and_passes_on_a_role_is_told(session: Session, house: House) -> None:
    house.run("GRANT {ward} TO {anna}", "GRANT pg_monitor TO {ward}")
    house.run("GRANT {ward} TO {bert} WITH ADMIN OPTION")
    if not house.old:
        house.run("GRANT {ward} TO {bert} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    ward = f"role:{house.name('ward')}"
    rights = {row.how: row.rights for row in house.who(session, ward, "bert")}
    assert rights["now"] == ("ADMIN, SET, USAGE" if house.old else "ADMIN") or house.old
    assert house.tries("bert", "GRANT {ward} TO {anna}")
    assert not house.tries("anna", "GRANT {ward} TO {bert}")
    assert {right for row in house.who(session, ward) for right in row.rights.split(", ")} == {"SET", "USAGE"}
    told = house.what(session, "predefined role")["pg_monitor"]
    assert (told.rights, told.path) == ("USAGE", house.text("{anna} > {ward} > pg_monitor")) or house.old
    lost = [
        one for one in access.explain(session, ward, house.name("anna")) if one.object == house.name("ward")
    ]
    assert {one.login for one in lost} == {house.name("anna")}


def test_who_sets_the_password_of_its_own_member_can_be_that(session: Session, house: House) -> None:
    house.run("GRANT {anna} TO {bert}; ALTER ROLE {anna} CREATEROLE")
    told = [row for row in house.who(session, f"role:{house.name('bert')}") if "SET" in row.rights]
    changed = house.tries("anna", "ALTER ROLE {bert} PASSWORD 'new'")
    assert changed == house.old == bool(told)
    if house.old:
        with pytest.raises(psycopg.errors.InvalidGrantOperation, match="is a member of role"):
            house.tries("anna", "GRANT {bert} TO {anna}")
        assert (told[0].how, told[0].path) == ("after granting it to itself", house.text("{anna} > {bert}"))
        assert told[0].cut == house.text('ALTER ROLE "{anna}" NOCREATEROLE')


def test_settings_that_come_with_a_login_are_told_by_name(session: Session, house: House) -> None:
    house.run("ALTER ROLE {anna} SET search_path = clinic", "ALTER ROLE {anna} SET my.secret = 'hidden'")
    told = house.what(session, "setting")
    assert set(told) == {"my.secret, search_path"}
    assert "hidden" not in str(told)
    house.run(*(one.cut for one in told.values()))
    assert house.what(session, "setting") == {}


def test_publications_are_their_owners(session: Session, house: House) -> None:
    house.run("CREATE PUBLICATION news FOR TABLE clinic.patients", "ALTER PUBLICATION news OWNER TO {anna}")
    (told,) = house.who(session, "publication:news")
    assert (told.rights, told.via, told.cut) == ("ALTER", "owner", "ALTER PUBLICATION news OWNER TO …")


def test_an_owner_is_told_no_right_that_its_kind_does_not_have(session: Session, house: House) -> None:
    house.run("CREATE SEQUENCE clinic.numbers; ALTER SEQUENCE clinic.numbers OWNER TO {anna}")
    house.run("GRANT USAGE ON SCHEMA clinic TO {anna}; REVOKE ALL ON SEQUENCE clinic.numbers FROM {anna}")
    (told,) = house.who(session, "clinic.numbers")
    assert (told.rights, told.how) == ("SELECT, UPDATE, USAGE", "after granting it to itself")
    assert house.tries(
        "anna", "GRANT ALL ON SEQUENCE clinic.numbers TO {anna}", "SELECT nextval('clinic.numbers')"
    )
