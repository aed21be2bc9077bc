"""Erasing many people at once: plans, files of ids, batches, classes, and runs that are cut short."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_erasure import KILLED, counts, erase, person, practice, run_killed, table

from luactl import crm, erasure
from luactl.db import Session, transaction
from luactl.erasure.batch import ORDINARY, cut
from luactl.errors import NotFoundError, RefusedError, UsageError
from luactl.key import KeyClass, open_tenant, status
from luactl.table import TableError
from luactl.tenant import Tenant
from luactl.verify import verify_folder

PEOPLE = 7
STEPS = (
    "root placed at holder 1", "claims given up", "rows changed", "nodes rewritten", "epoch committed",
    "book 1 written", "read back", "root destroyed at holder 1", "outcome written",
)  # fmt: skip
BATCHES = (1, 2, 3, 4)


def crowd(session: Session, count: int = PEOPLE, slug: str = "smile") -> Tenant:
    """Create a practice with more people, some with interactions and invoices."""
    tenant, options = practice(session, slug), crm.Options()
    more = range(10, 10 + count - 3)
    rows = "".join(f"{n},Kim,Nr{n},,kim{n}@post.example\n" for n in more)
    people = table(f"CustomerId,FirstName,LastName,Company,Email\n{rows}")
    assert crm.import_customers(session, tenant, people, options).imported == len(more)
    visits = "".join(f"{n},2026-0{1 + n % 9}-05T09:00:00Z,note,hello\n" * (n % 3) for n in more)
    crm.import_interactions(session, tenant, table(f"CustomerId,Date,Type,Text\n{visits}"), options)
    bills = "".join(f"C-{n},{n},2025-03-0{1 + n % 9},5.00\n" for n in more if n % 2)
    crm.import_invoices(session, tenant, table(f"InvoiceId,CustomerId,InvoiceDate,Total\n{bills}"), options)
    return tenant


@pytest.fixture
def tenant(session: Session) -> Tenant:
    return crowd(session)


def all_of(session: Session, tenant: Tenant) -> erasure.ErasurePlan:
    return erasure.plan(session, tenant, erasure.everybody(session, tenant), "order 9")


def test_everybody_in_one_epoch(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    before, plan = counts(admin), all_of(session, tenant)
    assert (plan.people, plan.subject_id, plan.state) == (PEOPLE, None, "planned")
    assert {one.table: one.rows for one in plan.going} == {
        name: before[name] for name in ("crm.contact", "crm.contact_key", "crm.interaction")
    }
    done = erasure.run(session, plan, tmp_path)
    after = counts(admin)
    assert (done.outcome, done.people, done.epoch, done.epoch_to) == ("erased", PEOPLE, 2, 2)
    assert (done.going, done.keys, done.staying) == (plan.going, plan.keys, plan.staying)
    assert [after[one.table] for one in plan.going] == [0, 0, 0]
    assert after["crm.invoice"] == before["crm.invoice"]
    dropped = sum(one.keys for one in plan.dropping)
    assert after["vault.slot"] == before["vault.slot"] - dropped
    assert after["vault.tombstone"] - before["vault.tombstone"] == dropped
    verified = erasure.verify(session, done.erasure_id)
    assert (verified.ok, verified.people) == (True, PEOPLE)
    assert verify_folder(Path(done.certificate)).ok
    books = crm.list_invoices(login("lua_accounting"), tenant, 0, party=True).rows
    assert len(books) == before["crm.invoice"]
    assert all(one.party for one in books)


def test_others_stay_readable(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    gone = [person(session, tenant, number) for number in ("1", "10", "12")]
    done = erasure.run(session, erasure.plan(session, tenant, gone, "order 9"), tmp_path)
    assert done.people == 3
    left = crm.list_customers(session, tenant, 0).rows
    assert sorted(one.external_id for one in left if one.external_id) == ["11", "13", "2", "3"]
    keys = open_tenant(session, tenant.tenant_id).subjects(gone, KeyClass.MAIN)
    assert keys == {}


@pytest.mark.parametrize("people", BATCHES)
def test_batches_are_epochs_and_the_same_comes_of_them(
    session: Session, tenant: Tenant, admin: psycopg.Connection, people: int, tmp_path: Path
) -> None:
    plan, heard = all_of(session, tenant), []
    done = erasure.run(session, plan, tmp_path, progress=heard.append, batch_people=people)
    assert sum(heard) == PEOPLE
    assert max(heard) <= people
    assert done.epoch_to - done.epoch + 1 == len(heard)
    assert (done.people, done.going) == (PEOPLE, plan.going)
    assert erasure.verify(session, done.erasure_id).ok
    assert verify_folder(Path(done.certificate)).ok
    assert status(session).epoch == done.epoch_to


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_a_batch_it_is_finished_by_resuming(
    session: Session, tenant: Tenant, admin: psycopg.Connection, step: str, tmp_path: Path
) -> None:
    """The third time that a step is reached; the outcome is reached once."""
    nth = 1 if step == "outcome written" else 3
    assert run_killed(f"{step}#{nth}", "erase-all", "smile", str(tmp_path), "2") == KILLED
    gone = 2 * (nth - (STEPS.index(step) < STEPS.index("epoch committed"))) if nth == 3 else PEOPLE
    assert counts(admin)["crm.contact"] == PEOPLE - gone
    open_ones = erasure.begun(session, tenant)
    assert len(open_ones) == (step != "outcome written")
    for one in open_ones:
        done = erasure.resume(session, tenant.slug, one, tmp_path)
        assert (done.outcome, done.people) == ("finished", PEOPLE)
    [record] = erasure.list_(session, tenant)
    assert record.state == "done"
    assert counts(admin)["crm.contact"] == 0
    assert counts(admin)["lua.erasure"] == 1
    assert erasure.verify(session, record.erasure_id).ok
    assert status(session).state == "settled"


def test_the_same_plan_finishes_what_was_cut_short(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    everybody = erasure.everybody(session, tenant)
    assert run_killed("epoch committed#2", "erase-all", "smile", str(tmp_path), "2") == KILLED
    plan = erasure.plan(session, tenant, everybody, "order 9")
    assert (plan.state, plan.people, plan.before) == ("unfinished", PEOPLE - 4, 4)
    done = erasure.run(session, plan, tmp_path)
    assert (done.outcome, done.people) == ("finished", PEOPLE)
    again = erasure.run(session, erasure.plan(session, tenant, everybody, "order 9"), tmp_path)
    assert (again.outcome, again.erasure_id, again.people) == ("already erased", done.erasure_id, PEOPLE)
    assert verify_folder(Path(again.certificate)).ok


def test_who_goes_meanwhile_by_another_act_goes_once(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, tmp_path: Path
) -> None:
    assert run_killed("root destroyed at holder 1#1", "erase-all", "smile", str(tmp_path), "2") == KILLED
    last = erasure.everybody(session, tenant)[-1]
    alone = erase(session, tenant, last, tmp_path)
    assert (alone.outcome, alone.people) == ("erased", 1)
    done = erasure.resume(session, tenant.slug, erasure.begun(session, tenant)[0], tmp_path)
    assert done.people == PEOPLE - 1
    states = admin.execute(
        "SELECT state, count(*) FROM lua.erasure_subject WHERE erasure_id = %s GROUP BY 1 ORDER BY 1",
        (done.erasure_id,),
    ).fetchall()
    assert states == [("before", 1), ("erased", PEOPLE - 1)]
    assert erasure.verify(session, done.erasure_id).ok


def test_a_writer_of_any_of_them_is_waited_for_and_nothing_deadlocks(
    session: Session, tenant: Tenant, login: Callable[..., Session], tmp_path: Path
) -> None:
    """The CRM writes about everybody, again and again, in an order of its own, while they are erased."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Event

    writers, ended = [login("lua_operator") for _ in range(2)], Event()

    def write(number: int) -> int:
        numbers = ["1", "2", "3", *map(str, range(10, 10 + PEOPLE - 3))][:: 1 if number else -1]
        rows = "".join(f"{n},2026-10-0{1 + number}T09:00:00Z,note,busy\n" for n in numbers)
        imported = 0
        while not ended.is_set():
            visits = table(f"CustomerId,Date,Type,Text\n{rows}")
            try:
                imported += crm.import_interactions(writers[number], tenant, visits, crm.Options()).imported
            except RefusedError:  # erased between the reading of the file and the writing
                continue
        return imported

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, number) for number in range(2)]
        try:
            done = erasure.run(session, all_of(session, tenant), tmp_path, batch_people=2)
        finally:
            ended.set()
        assert all(one.result() >= 0 for one in writing)
    assert erasure.verify(session, done.erasure_id).ok


def special(session: Session, tenant: Tenant, people: list[UUID]) -> None:
    """Give people a key of class special, as whoever writes such data does."""
    keys = open_tenant(session, tenant.tenant_id)
    keys.reserve(KeyClass.SPECIAL, len(people))
    with transaction(session, tenant.tenant_id):
        keys.claim(people, KeyClass.SPECIAL)


def test_one_class_goes_alone(
    session: Session, tenant: Tenant, admin: psycopg.Connection, tmp_path: Path
) -> None:
    people = [person(session, tenant, number) for number in ("1", "2")]
    with pytest.raises(RefusedError, match="class special"):
        erasure.plan(session, tenant, people, "order 9", scope="special")
    special(session, tenant, people)
    before = counts(admin)
    plan = erasure.plan(session, tenant, people, "order 9", scope="special")
    assert (plan.going, plan.keys, plan.staying) == ((), ("special",), ())
    done = erasure.run(session, plan, tmp_path)
    after = counts(admin)
    assert after["vault.slot"] == before["vault.slot"] - 2
    assert {name: after[name] for name in after if name.startswith("crm.")} == {
        name: before[name] for name in before if name.startswith("crm.")
    }
    keys = open_tenant(session, tenant.tenant_id)
    assert keys.subjects(people, KeyClass.SPECIAL) == {}
    assert len(keys.subjects(people, KeyClass.MAIN)) == 2
    special(session, tenant, people)  # new data of that class may come
    assert erasure.verify(session, done.erasure_id).ok
    whole = erase(session, tenant, people[0], tmp_path)
    assert whole.keys == ("main", "special")
    assert erasure.verify(session, whole.erasure_id).ok
    assert erasure.verify(session, done.erasure_id).ok


def test_nobody_and_the_unknown(session: Session, tenant: Tenant) -> None:
    with pytest.raises(UsageError, match="nobody"):
        erasure.plan(session, tenant, [], "order 9")
    strangers = [uuid4() for _ in range(9)]
    with pytest.raises(NotFoundError, match="and 4 more"):
        erasure.plan(session, tenant, [*strangers, person(session, tenant)], "order 9")


def test_those_who_are_all_gone_are_not_erased_again(
    session: Session, tenant: Tenant, tmp_path: Path
) -> None:
    people = [person(session, tenant, number) for number in ("1", "2")]
    erasure.run(session, erasure.plan(session, tenant, people, "order 9"), tmp_path)
    again = erasure.plan(session, tenant, people, "another order")
    assert (again.state, again.people, again.before) == ("planned", 0, 2)
    with pytest.raises(RefusedError, match="nobody of these people is left"):
        erasure.run(session, again, tmp_path)


# -- lists of ids --------------------------------------------------------------------------------------------


def test_a_file_names_people_by_either_id(session: Session, tenant: Tenant) -> None:
    one, two = person(session, tenant, "1"), person(session, tenant, "2")
    text = f'\ufeffsubject_id\r\n{one}\r\n\r\n# by hand\r\n"2"\r\n{two}\r\n1\r\n  3  '
    named = erasure.from_file(session, tenant, table(text))
    assert named.subjects == tuple(sorted([one, two, person(session, tenant, "3")]))
    assert (named.lines, named.duplicates, named.unknown) == (5, 2, ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(session: Session, tenant: Tenant, encoding: str) -> None:
    people = table("CustomerId,LastName\nKöln-1,Müller\n")
    assert crm.import_customers(session, tenant, people, crm.Options()).imported == 1
    from io import BytesIO

    named = erasure.from_file(session, tenant, BytesIO("Köln-1\n".encode(encoding)))
    assert len(named.subjects) == 1


def test_lines_that_name_nobody(session: Session, tenant: Tenant) -> None:
    text = f"1\nnobody\n{uuid4()}\n"
    with pytest.raises(NotFoundError, match=r"2 of 3 lines name nobody at 'smile': 2, 3") as told:
        erasure.from_file(session, tenant, table(text))
    assert "nobody\n" not in str(told.value)
    named = erasure.from_file(session, tenant, table(text), skip_unknown=True)
    assert (len(named.subjects), named.unknown) == (1, (2, 3))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", TableError),
        ("\n# nothing\n", UsageError),
        ("\x00\x01\x02\x03" * 99, TableError),
        ("PK\x03\x04rest", TableError),
        ("1\n" + "x" * 2_000, UsageError),
        ("1\n" * 99 + "2\x1b[2J", UsageError),
    ],
)
def test_files_that_are_none(session: Session, tenant: Tenant, content: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        erasure.from_file(session, tenant, table(content))
    with pytest.raises(UsageError):
        erasure.from_file(session, tenant, Path("/nowhere/at/all"))


@pytest.mark.exhaustive
def test_a_million_lines(session: Session, tenant: Tenant) -> None:
    text = "".join(f"{n}\n" for n in range(1_000_000))
    named = erasure.from_file(session, tenant, table(text), skip_unknown=True)
    assert (len(named.subjects), named.lines, len(named.unknown)) == (PEOPLE, 1_000_000, 1_000_000 - PEOPLE)


# -- plans ---------------------------------------------------------------------------------------------------


def saved(tmp_path: Path, plan: Any) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(plan if isinstance(plan, str) else json.dumps(plan))
    return path


def test_a_plan_is_saved_and_run(
    session: Session, tenant: Tenant, cli: Callable[..., Any], admin: psycopg.Connection, tmp_path: Path
) -> None:
    asked = ("--tenant", "smile", "--file", "-", "--instruction", "order 9", "-o", "json")
    made = cli("erasure", "plan", *asked, stdin="1\n2\n")
    assert made.returncode == 0, made.stderr
    plan = json.loads(made.stdout)["data"]
    assert (plan["people"], len(plan["digest"]), len(plan["subjects"])) == (2, 64, 2)
    path = saved(tmp_path, made.stdout)
    before = counts(admin)
    changed = {**plan, "instruction": "another"}
    ran = cli(
        "erasure", "run", "--tenant", "smile", "--plan", str(saved(tmp_path, {"data": changed})), "--yes"
    )
    assert (ran.returncode, counts(admin)) == (5, before)
    saved(tmp_path, made.stdout)
    ran = cli("erasure", "run", "--tenant", "smile", "--plan", str(path), "--yes", "-o", "json")
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout)["data"]
    assert (done["people"], done["going"]) == (2, plan["going"])
    shown = json.loads(cli("erasure", "show", done["erasure_id"], "-o", "json").stdout)["data"]
    assert shown["digest"] == plan["digest"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"data": null}', '{"data": {"scope": "all"}}', '{"data": 7}', "\udcff", "[" * 99_999],
)
def test_what_is_no_plan(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="no plan"):
        erasure.read_saved(path)
    with pytest.raises(UsageError, match="cannot be read"):
        erasure.read_saved(tmp_path / "nowhere")


def test_rows_may_drift_a_little(session: Session, tenant: Tenant, tmp_path: Path) -> None:
    who = person(session, tenant, "1")
    plan = erasure.plan(session, tenant, who, "order 9")
    kept = erasure.Saved("smile", plan.scope, plan.subjects, plan.instruction, plan.digest,
                         {one.table: one.rows for one in plan.going})  # fmt: skip

    def visit(count: int) -> erasure.ErasurePlan:
        rows = "".join(f"1,2026-10-06T09:{n // 60:02}:{n % 60:02}Z,note,again\n" for n in range(count))
        crm.import_interactions(session, tenant, table(f"CustomerId,Date,Type,Text\n{rows}"), crm.Options())
        return erasure.plan(session, tenant, who, "order 9")

    erasure.again(kept, visit(erasure.DRIFT_ROWS))
    with pytest.raises(RefusedError, match=r"crm.interaction has \d+ rows"):
        erasure.again(kept, visit(erasure.DRIFT_ROWS + 1))


def test_the_digest_binds_people_scope_rules_and_instruction(session: Session, tenant: Tenant) -> None:
    from luactl import retention

    one, two = person(session, tenant, "1"), person(session, tenant, "2")
    special(session, tenant, [one])

    def digest(*people: UUID, instruction: str = "order 9", scope: str = "person") -> str:
        return erasure.plan(session, tenant, people, instruction, scope=scope).digest

    first = digest(one)
    others = [digest(two), digest(one, two), digest(one, instruction="order 8"), digest(one, scope="special")]
    assert digest(one) == first
    retention.set_rule(session, tenant, "interaction", 12)
    assert len({first, *others, digest(one)}) == 6


IDS = st.lists(st.uuids(), unique=True, max_size=60).map(sorted)


@given(IDS, st.data(), st.integers(1, 9), st.integers(1, 400))
def test_batches_hold_everybody_once_within_bounds(people: Any, data: Any, size: int, rows: int) -> None:
    heavy = data.draw(
        st.dictionaries(st.sampled_from(people), st.integers(1, 900)) if people else st.just({})
    )
    batches = list(cut(people, heavy, size, rows))
    assert [one for batch in batches for one in batch] == people
    for batch in batches:
        assert 1 <= len(batch) <= size
        assert len(batch) == 1 or sum(heavy.get(one, ORDINARY) for one in batch) <= rows


@pytest.mark.parametrize("role", ["lua_auditor", "lua_accounting", "lua_admin", "lua_responder", "lua_app"])
def test_others_cannot_erase_many(
    session: Session, tenant: Tenant, login: Callable[..., Session], admin: psycopg.Connection, role: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    people, before = erasure.everybody(session, tenant), counts(admin)
    other = login(role)
    with pytest.raises((psycopg.errors.InsufficientPrivilege, RefusedError)):
        erasure.run(other, erasure.plan(other, tenant, people, "order 9"), tmp_path / "c")
    assert counts(admin) == before
    assert status(session).state == "settled"


def test_lists_go_page_by_page(
    session: Session, tenant: Tenant, cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = [erase(session, tenant, person(session, tenant, n), tmp_path).erasure_id for n in ("1", "2", "3")]
    listed = ("erasure", "list", "--tenant", "smile", "-o", "json")
    first = json.loads(cli(*listed, "--limit", "2").stdout)
    assert [one["erasure_id"] for one in first["data"]] == [str(done[2]), str(done[1])]
    assert str(done[1]) in first["notes"][0]
    rest = json.loads(cli(*listed, "--before", str(done[1])).stdout)["data"]
    assert [one["erasure_id"] for one in rest] == [str(done[0])]
    assert json.loads(cli(*listed, "--state", "intent").stdout)["data"] == []
    assert len(json.loads(cli(*listed, "--since", "-1h").stdout)["data"]) == 3
    assert json.loads(cli(*listed, "--since", "2099-01-01").stdout)["data"] == []


def test_one_selection_and_no_more(cli: Callable[..., Any], session: Session, tenant: Tenant) -> None:
    ask = ("erasure", "plan", "--tenant", "smile", "--instruction", "order 9")
    who = str(person(session, tenant))
    for options in ((), ("--all", "--subject", who), ("--file", "-", "--all"), ("--all", "--class", "main")):
        done = cli(*ask, *options)
        assert done.returncode == 2, done.stderr
        assert "hint:" in done.stderr
    for options in (("--resume", "--all"), ("--plan", "x", "--all"), ("--all",)):
        assert cli("erasure", "run", "--tenant", "smile", *options, "--yes").returncode == 2
    assert cli("erasure", "list", "--tenant", "smile", "--state", "lost").returncode == 2


def test_who_waited_for_a_hold_goes_when_it_is_released(
    session: Session, tenant: Tenant, cli: Callable[..., Any], admin: psycopg.Connection, tmp_path: Path
) -> None:
    from luactl import hold

    people = [person(session, tenant, number) for number in ("1", "2", "3")]
    placed = hold.place(session, tenant, hold.prepare("case 7", subject_id=people[0]))
    plan = erasure.plan(session, tenant, people, "order 9")
    erasure.run(session, plan, tmp_path, except_held=True)
    assert erasure.waiting(session, tenant) == ()
    resume = ("erasure", "run", "--tenant", "smile", "--resume", "--yes", "-o", "json")
    assert json.loads(cli(*resume).stdout)["data"] == []
    hold.release(session, tenant, [placed], "the case is closed")  # type: ignore[list-item]
    [found] = erasure.waiting(session, tenant)
    assert (found.subjects, found.instruction, found.people) == ((people[0],), "order 9", 1)
    ran = cli(*resume)
    assert ran.returncode == 0, ran.stderr
    assert [one["people"] for one in json.loads(ran.stdout)["data"]] == [1]
    assert erasure.waiting(session, tenant) == ()
    assert admin.execute(
        "SELECT count(*) FROM crm.contact WHERE subject_id = ANY (%s)", (people,)
    ).fetchone() == (0,)
