"""Every place in which plaintext was planted is found, and after a clean-up only what is named as remaining.

What luactl finds is compared with a raw search over the files, which is blind where Postgres compresses.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import Connection, Home, fast_folder
from support_residue import GONE, Plain, delete, gone, has_lz4, marker, plain_server, plant, raw

from luactl import residue
from luactl.db import Session
from luactl.errors import RefusedError, UsageError
from luactl.residue import Reach, Residue, relation

pytestmark = pytest.mark.postgres
PERSON = "public.person"
RAW_BLIND = ("inside", "packed")  # LZ4 leaves what it meets for the first time as it is
RELATIONS = ("heap", "toast", "btree", "gin", "brin")


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    """A server on which nobody sealed anything."""
    base = Path(tempfile.mkdtemp(prefix="luactl-plain-", dir=fast_folder()))
    try:
        with plain_server(base, os.environ.get("LUACTL_TEST_PG", "17")) as running:
            yield running
    finally:
        shutil.rmtree(base)


@pytest.fixture
def dba(plain: Plain) -> Iterator[Connection]:
    """The administrator's connection, with people planted and some of them deleted."""
    with plain.connect() as conn:
        plant(conn)
        delete(conn)
        yield conn


@pytest.fixture
def reach(plain: Plain, dba: Connection) -> Reach:
    return residue.reach(plain.session(dba, backup_days=30))


def look(reach: Reach, *places: str, archives: tuple[Path, ...] = ()) -> Residue:
    markers = residue.text_markers(gone(*places), reach.encoding)
    return residue.survey(reach, residue.named_tables(reach, [PERSON]), markers, archives=archives)


def seen(found: Residue) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (markers, hits) by place, and by part of it for the table's own files."""
    return {
        (one.place, one.what.removeprefix("in ") if one.place in RELATIONS else ""): (one.markers, one.hits)
        for one in found.findings
        if one.state == "found"
    }


def files(plain: Plain, dba: Connection) -> dict[str, Path]:
    """Return the main file of each relation of the table, by name."""
    rows = dba.execute(
        "SELECT c.relname, pg_relation_filepath(c.oid) FROM pg_class c WHERE c.relkind IN ('r', 't', 'i') AND"
        " (c.oid = 'public.person'::regclass OR c.relname LIKE 'person\\_%' OR c.oid = (SELECT reltoastrelid"
        " FROM pg_class WHERE oid = 'public.person'::regclass))"
    )
    return {name: plain.server.data / path for name, path in rows}


def in_relations(reach: Reach, place: str) -> dict[str, tuple[int, int]]:
    """Return markers and hits of one place's values by relation."""
    table = residue.named_tables(reach, [PERSON])
    markers = residue.text_markers(gone(place), reach.encoding)
    found: dict[str, tuple[int, int]] = {}
    for one in relation.survey(reach, relation.relations(reach, [table[0].oid]), markers, lambda _n: None):
        name, before = one.object.partition(".")[2], found.get(one.object.partition(".")[2], (0, 0))
        found[name] = (max(before[0], one.markers), before[1] + one.hits)
    return found


def test_where_nothing_is_compressed_a_raw_search_agrees(plain: Plain, dba: Connection, reach: Reach) -> None:
    dba.execute("CHECKPOINT")
    for step in ("just deleted", "vacuumed"):
        if step == "vacuumed":
            dba.execute("VACUUM public.person")
            dba.execute("CHECKPOINT")
        for place in ("name", "email", "note", "dense", "facts"):
            for name, (_markers, hits) in in_relations(reach, place).items():
                assert hits == raw([files(plain, dba)[name]], gone(place)), (step, place, name)


def test_where_postgres_compresses_a_raw_search_is_blind(plain: Plain, dba: Connection, reach: Reach) -> None:
    dba.execute("VACUUM public.person")
    dba.execute("CHECKPOINT")
    whole = [path for path in plain.server.data.rglob("*") if path.is_file()]
    assert raw(whole, gone(*RAW_BLIND)) == 0
    heap = in_relations(reach, "inside")["person"]
    assert heap[0] >= GONE - 3, "the first rows of a page may be overwritten"
    for place in ("packed", "squeezed"):
        found = in_relations(reach, place)
        toast = next(hits for name, hits in found.items() if name.startswith("pg_toast"))
        assert toast[0] == GONE, place
    assert has_lz4(dba) or os.environ.get("LUACTL_TEST_PG") == "18", "else LZ4 was not tried"


@pytest.mark.long
def test_every_place_is_found_and_cleaned(
    plain: Plain, dba: Connection, reach: Reach, tmp_path: Path
) -> None:
    dba.execute("CHECKPOINT")
    shutil.copytree(plain.server.data / "pg_wal", tmp_path / "archive")
    found = seen(look(reach, archives=(tmp_path / "archive",)))
    heap_values, toast_values = 5 * GONE, 3 * GONE
    assert found[("heap", "deleted rows")][0] == heap_values
    assert found[("toast", "deleted rows")][0] == toast_values
    assert found[("btree", "entries")] == (GONE, GONE)
    assert found[("btree", "high keys and pivots")][0] > 0
    assert found[("gin", "entries")][0] == GONE
    assert found[("brin", "entries")][0] > 0
    assert found[("statistics", "")][0] > GONE
    assert found[("archive", "")][0] == heap_values + toast_values
    assert max(found.get((log, ""), (0,))[0] for log in ("wal", "recycled wal")) == heap_values + toast_values
    assert found[("server log", "")][0] == found[("pg_stat_statements", "")][0] == 1

    with plain.connect() as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_current_xact_id()")
        other.execute("PREPARE TRANSACTION 'forgotten'")
    tables = residue.named_tables(reach, [PERSON])
    plan = residue.plan_clean(reach, tables)
    assert plan.holders == ("prepared transaction forgotten (postgres)",)
    with pytest.raises(RefusedError, match="prepared transaction forgotten"):
        residue.clean(reach, plan, patience=0)
    # The look itself let Postgres prune pages, so what were deleted rows may be free space by now.
    kept = seen(look(reach, "name"))
    assert sum(kept.get(("heap", part), (0,))[0] for part in ("deleted rows", "free space")) >= GONE - 2
    dba.execute("ROLLBACK PREPARED 'forgotten'")

    before = datetime.now(UTC)
    done = residue.clean(reach, plan, patience=30)
    assert [step.statement for step in done.steps] == [step.statement for step in plan.steps]
    assert done.kept == ()
    after = look(reach, archives=(tmp_path / "archive",))
    assert seen(after).keys() == {("server log", ""), ("archive", "")}
    named = {one.place for one in after.findings if one.state == "named"}
    assert named == {"base backups", "free blocks"}
    left = [path for path in plain.server.data.rglob("*") if path.is_file() and raw([path], gone())]
    assert {path.parent.name for path in left} == {"log"}, left
    known = residue.sealed_since(dba, PERSON)
    assert known is not None
    assert known.cleaned_at == done.cleaned_at
    assert known.cleaned_at is not None
    assert known.cleaned_at >= before
    assert known.backups_until == known.cleaned_at + timedelta(days=30)
    assert not known.claims(datetime.now(UTC))
    assert f"gone on {datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}" in str(done.remains)
    outcomes = (
        "SELECT outcome FROM ledger.entry WHERE action = 'erasure.clean' ORDER BY at DESC, id DESC LIMIT 2"
    )
    assert [row[0] for row in dba.execute(outcomes)] == ["done", "intent"]
    (count,) = dba.execute("SELECT count(*) FROM public.person").fetchone() or (0,)
    assert count == 300 - GONE


def test_rows_that_live_are_no_residue(dba: Connection, reach: Reach) -> None:
    markers = residue.text_markers([marker("name", 299), marker("dense", 299)], reach.encoding)
    table = residue.named_tables(reach, [PERSON])
    dba.execute("CHECKPOINT")
    found = relation.survey(reach, relation.relations(reach, [table[0].oid]), markers, lambda _n: None)
    assert {
        (one.place, one.what, one.remedy)
        for one in found
        if one.state == "found" and one.place in ("heap", "toast")
    } == {
        ("heap", "in rows that are not deleted", "they are still there: delete them"),
        ("toast", "in rows that are not deleted", "they are still there: delete them"),
    }


def test_an_empty_table_keeps_no_statistics(dba: Connection, reach: Reach) -> None:
    """ANALYZE writes nothing for a table without rows, so what it copied before would stay for ever."""
    dba.execute("DELETE FROM public.person")
    dba.execute("VACUUM (FULL, ANALYZE) public.person")
    stats = "SELECT count(*) FROM pg_statistic WHERE starelid = 'public.person'::regclass"
    assert dba.execute(stats).fetchone() != (0,)
    residue.clean(reach, residue.plan_clean(reach, residue.named_tables(reach, [PERSON])), patience=30)
    assert dba.execute(
        "SELECT count(*) FROM pg_statistic WHERE starelid = 'public.person'::regclass"
    ).fetchone() == (0,)


def test_partitions_stand_for_their_table(dba: Connection, reach: Reach) -> None:
    dba.execute("CREATE TABLE public.letter (id int, note text) PARTITION BY RANGE (id)")
    dba.execute("CREATE TABLE public.letter_1 PARTITION OF public.letter FOR VALUES FROM (0) TO (100)")
    try:
        dba.execute("INSERT INTO public.letter SELECT n, 'secretly ' || n FROM generate_series(1, 99) AS n")
        dba.execute("ANALYZE public.letter")
        tables = residue.named_tables(reach, ["letter"])
        assert [table.qualified for table in tables] == ["public.letter_1"]
        dba.execute("DELETE FROM public.letter")
        markers = residue.text_markers(["secretly 42"], reach.encoding)
        names = {
            one.object for one in residue.survey(reach, tables, markers).findings if one.state == "found"
        }
        assert {"public.letter_1", "public.letter.note"} <= names
        statements = [step.statement for step in residue.plan_clean(reach, tables).steps]
        assert 'ANALYZE "public"."letter"' in statements
        assert not [one for one in statements if one == 'VACUUM (FULL) "public"."letter"']
    finally:
        dba.execute("DROP TABLE public.letter")


def test_statistics_alone_say_where_to_look(dba: Connection, reach: Reach) -> None:
    dba.execute("ALTER TABLE public.person DROP COLUMN employer")
    found = residue.survey(reach, residue.unsealed_tables(reach), None)
    assert found.tables == (PERSON,)
    suspects = {(one.place, one.object) for one in found.findings if one.state == "suspect"}
    assert {
        ("gin", "public.person_words"),
        ("statistics", "public.person.name"),
        ("heap", PERSON),
    } <= suspects
    assert any("1 dropped columns" in one.what for one in found.findings)
    assert not found.found


def test_who_cannot_look_says_so(plain: Plain, dba: Connection) -> None:
    dba.execute("DROP ROLE IF EXISTS clerk")
    dba.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    try:
        dba.execute("GRANT CONNECT ON DATABASE luactl TO clerk; GRANT USAGE ON SCHEMA public TO clerk")
        dba.execute("GRANT SELECT ON public.person TO clerk")
        dsn = f"{plain.dsn()} user=clerk password=clerk"
        with closing(psycopg.connect(dsn, autocommit=True)) as conn:
            reach = residue.reach(plain.session(conn))
            found = look(reach, "email")
            blind = {one.place for one in found.findings if one.state == "not observable"}
            assert blind >= {
                "heap",
                "toast",
                "btree",
                "gin",
                "brin",
                "wal",
                "server log",
                "pg_stat_statements",
            }
            assert all(one.what for one in found.findings if one.state == "not observable")
            with pytest.raises(RefusedError, match="no superuser"):
                residue.plan_clean(reach, residue.named_tables(reach, [PERSON]))
    finally:
        dba.execute("DROP OWNED BY clerk")
        dba.execute("DROP ROLE clerk")


def test_a_slot_keeps_the_log_and_nothing_counts_as_clean(dba: Connection, reach: Reach) -> None:
    dba.execute("SELECT pg_create_physical_replication_slot('away', true)")
    try:
        plan = residue.plan_clean(reach, residue.named_tables(reach, [PERSON]))
        done = residue.clean(reach, plan, patience=30)
        assert done.kept
        assert done.cleaned_at is None
        assert {("slot", "away")} <= {(one.place, one.object) for one in done.remains}
    finally:
        dba.execute("SELECT pg_drop_replication_slot('away')")


def test_a_lock_that_does_not_come_stops_it_and_it_can_be_repeated(plain: Plain, dba: Connection) -> None:
    profile = plain.session(dba).profile
    with plain.connect() as other, residue.administrator(profile, None, 1) as reach:
        plan = residue.plan_clean(reach, residue.named_tables(reach, [PERSON]))
        with other.transaction():
            other.execute("LOCK TABLE public.person IN ROW SHARE MODE")
            with pytest.raises((psycopg.errors.LockNotAvailable, RefusedError)):
                residue.clean(reach, plan, patience=0.2)
        assert residue.clean(reach, plan, patience=30).cleaned_at


def test_an_archive_may_be_packed_or_foreign(
    plain: Plain, dba: Connection, reach: Reach, tmp_path: Path
) -> None:
    segments = sorted((plain.server.data / "pg_wal").glob("0*"))
    (tmp_path / f"{segments[-1].name}.gz").write_bytes(gzip.compress(segments[-1].read_bytes(), 1))
    (tmp_path / "00000001.history").write_text("1")
    (tmp_path / "backup.tar.zst").write_bytes(b"x")
    found = residue.survey(
        reach, [], residue.text_markers(gone("name"), reach.encoding), archives=(tmp_path,)
    )
    archived = [one for one in found.findings if one.place == "archive"]
    assert [one.state for one in archived if one.state == "not observable"] == ["not observable"]
    assert "1 files that are no segments" in archived[-1].what


@pytest.mark.parametrize("name", ["public.nobody", "person_words", "", "a.b.c", "x'; DROP TABLE person; --"])
def test_what_is_no_table(reach: Reach, name: str) -> None:
    with pytest.raises(UsageError, match="there is no table"):
        residue.named_tables(reach, [name])


def test_a_persons_id_is_found_where_their_sealed_rows_were(
    session: Session, home: Home, admin: Connection, tmp_path: Path
) -> None:
    """Of an erased person ciphertext may remain: their id tells where."""
    from support_erasure import erase, person, practice

    tenant = practice(session)
    who = person(session, tenant)
    erase(session, tenant, who, tmp_path)
    admin.execute("CHECKPOINT")
    reach = residue.reach(Session(admin, "postgres", session.clock, home.profile, "erasure residue"))
    tables = residue.subject_tables(reach)
    names = {table.qualified.removesuffix("_pooled") for table in tables}
    assert {"crm.contact", "crm.interaction", "crm.subject"} <= names
    markers = residue.subject_markers(who)
    every = relation.relations(reach, [table.oid for table in tables])
    found = {
        (one.object.removesuffix("_pooled"), one.what)
        for one in relation.survey(reach, every, markers, lambda _n: None)
        if one.state == "found"
    }
    assert ("crm.contact", "in deleted rows") in found or ("crm.contact", "in free space") in found
    assert ("crm.subject", "in rows that are not deleted") in found
