"""Killed between any two steps, every command that changes something leaves nothing half done.

The story of all commands is told once. Where a command changes something, it is killed at each of its steps:
rows and ledger entries are there together or not at all, keys and ledger are sound or said to be unfinished,
and the same command, run again, comes to what it would have come to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import support_stage_roles
from conftest import Connection, TestServer
from support_failures import met
from support_stage import Stage, bare, gist
from support_story import LEDGER_ROWS, REFERENCE, Case, Rule, World
from support_story_table import FILES, OWN_HOME, READS, SCREENS, SERVER, TABLE
from support_strike import KILLED, MAKERS, Striker, start, stop
from support_whole import Changed, Done, Rows, changes, luactl, snapshot, verbs

Tellings = Callable[[int], "Telling"]
COMMANDS = verbs()
ROOT = Path(__file__).parents[1]
QUICK = ("tenant create", pytest.param("erasure run", marks=pytest.mark.long))
"""What is struck in every run of the tests, or in the long ones; all the rest in the exhaustive ones."""
Ways = Sequence[tuple[str, int]]
"""How to strike, and at every how manieth step."""
SLOW = {"promise prove": 20}
"""What takes its time, and whose many steps are all alike, is struck at every so manieth of them."""
BESIDES = {"vault.counter", "vault.node", "vault.slot", "vault.period"}
"""Keys that were made, and are not used yet, are nobody's loss."""


def options(command: str) -> set[str]:
    return {name for param in COMMANDS[command].params for name in param.opts}


def changing(case: Case) -> bool:
    return bool(case.rules or case.covers)


# Work on files alone or on an embedded server; or, as the replay, have nothing to do in the story.
ELSEWHERE = {
    "profile use", "profile add", "profile remove", "db migrate", "embedded start", "embedded stop",
    "approval key init", "approval sign", "approval export", "key person init",
    "access review export",  # one new file, put in its place whole (tests/test_access_review_report.py)
    "erasure residue",  # a superuser's verb, on tables that are not luactl's (tests/test_residue_cli.py)
    "log alert send",  # nothing waits in the story; tests/test_log_alert.py sends
    "erasure replay", "restore check",  # tests/test_restore_engine.py cuts it short at every step
}  # fmt: skip


def test_every_command_that_changes_something_is_struck() -> None:
    """Of those that tests/test_ledger_complete.py finds classified, which must be all."""
    struck = {command for command, cases in TABLE.items() if any(map(changing, cases))} | ELSEWHERE
    plans = {one for one in COMMANDS if "--dry-run" in options(one)}
    assert plans & {*TABLE, *SERVER, *FILES, *OWN_HOME, *SCREENS} <= struck


def test_every_session_has_a_hook() -> None:
    made = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in (ROOT / "luactl").rglob("*.py")
        if "Session(" in file.read_text().replace("class Session", "")
    }
    assert made == set(MAKERS)


@pytest.fixture(scope="module")
def striker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Striker]:
    started = start(tmp_path_factory.mktemp("struck") / "striker")
    yield started
    stop(started)


@dataclass
class Telling:
    """The story, told as far as somebody wanted it."""

    stage: Stage
    world: World
    told: int = 0
    """How many of its commands."""


@pytest.fixture(scope="module")
def tellings(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tellings]:
    """Gives the story, told as far as is wanted at most: who goes on from there tells less."""
    made: list[Telling] = []

    def tell(most: int) -> Telling:
        if made and made[-1].told <= most:
            return made[-1]
        forget(made)
        stage, _profile = bare(server, tmp_path_factory.mktemp("story"))
        admin = server.admin(stage.database)
        made.append(Telling(stage, World(server, stage.database, admin, stage.home, f"w_{stage.database}")))
        return made[-1]

    yield tell
    forget(made)


def forget(made: list[Telling]) -> None:
    for telling in made:
        telling.world.admin.close()
        telling.stage.end()
    made.clear()


def entries(found: list[Changed]) -> Counter[tuple[str, str]]:
    return Counter(
        (one.fields["action"], one.fields["outcome"])
        for one in found
        if (one.table, one.how) == ("ledger.entry", "insert")
    )


def units(found: list[Changed], table: str, how: str, by: str | None) -> int:
    rows = [one.fields for one in found if (one.table, one.how) == (table, how)]
    return len({str(one[by]) for one in rows}) if by else len(rows)


def told_otherwise(case: Case, rule: Rule, written: Counter[tuple[str, str]], rows: int) -> bool:
    """Whether other rows call for the same entries, the same rows have one of another name already, or an
    intent without outcome tells of them.
    """
    others = [one for one in case.rules if one is not rule]
    same_rows = [one for one in others if (one.table, one.how) == (rule.table, rule.how)]
    begun = any(written[one.action, "intent"] > written[one.action, "done"] for one in others)
    return (
        begun
        or any(one.action == rule.action for one in others)
        or any(written[one.action, "done"] == rows for one in same_rows)
    )


def check_entries(case: Case, found: list[Changed]) -> None:
    """No row without its entry, no entry without its row."""
    written = entries(found)
    for rule in case.rules:
        if rule.how == "files":
            continue
        rows = units(found, rule.table, rule.how, rule.by)
        done, intent = written[rule.action, "done"], written[rule.action, "intent"]
        if rule.action == READS:
            assert done >= rows, rule
        elif rule.outcomes == ("done",):
            assert done == rows or told_otherwise(case, rule, written, rows), rule
        else:
            assert intent == rows, rule
    kinds = {(one.table, one.how) for one in found}
    called = {(rule.table, rule.how) for rule in case.rules}
    assert {one for one in kinds if one[0] not in BESIDES} <= called | case.covers | LEDGER_ROWS | {REFERENCE}


def told(done: Done, *codes: int) -> Done:
    assert done.code in codes, (done.code, done.err)
    assert "unexpected" not in done.err
    assert "Traceback" not in done.err
    return done


def is_going(found: Any) -> bool:
    """Whether one of two holders has lost its root, and nothing else is wrong: its removal was cut short."""
    rootless = [one for one in found["holders"] if not one["epochs"] and not one["problem"]]
    return found["state"] == "broken" and len(rootless) == 1 and len(found["holders"]) > 1


def people(admin: Connection) -> list[str]:
    """Return the tenants that have contacts, but for one whose end has begun: nothing of it opens."""
    rows = admin.execute(
        "SELECT DISTINCT slug FROM lua.tenant_directory JOIN crm.contact USING (tenant_id)"
        " WHERE tenant_id NOT IN (SELECT tenant_id FROM lua.termination WHERE state = 'intent')"
    ).fetchall()
    return [row[0] for row in rows]


def check_keys(admin: Connection) -> None:
    """Keys are settled, or it is said by who is asked what is not; whoever lives can be read."""
    found = told(luactl("key", "status", "-o", "json"), 0, 6).data
    assert found["state"] in ("settled", "unfinished") or is_going(found)
    if found["state"] == "unfinished":
        assert "key recover" in told(luactl("doctor"), 6).out
    elif told(luactl("key", "verify"), 0, 6).code or is_going(found):
        # A place is registered before the profile names it, and loses its root before that forgets it.
        said = told(luactl("doctor"), 6).out
        assert "is missing" in said if is_going(found) else found["left_out"][0]["name"] in said
    for slug in people(admin):
        shown = told(luactl("crm", "customer", "list", "--tenant", slug, "--limit", "0", "-o", "json"), 0)
        count = admin.execute(
            "SELECT count(*) FROM crm.contact JOIN lua.tenant_directory USING (tenant_id) WHERE slug = %s",
            (slug,),
        ).fetchone()
        assert count == (len(shown.data),)
        assert all(one["name"] for one in shown.data)


def check_unfinished_work(admin: Connection) -> None:
    """An intent without outcome is shown to whoever looks."""
    rows = admin.execute(
        "SELECT DISTINCT slug FROM lua.tenant_directory JOIN (SELECT tenant_id, state FROM lua.erasure"
        " UNION ALL SELECT tenant_id, state FROM lua.purge"
        " UNION ALL SELECT tenant_id, state FROM lua.termination) AS work USING (tenant_id)"
        " WHERE state = 'intent'"
    ).fetchall()
    for (slug,) in rows:
        assert "was cut short" in told(luactl("doctor"), 6).out
        assert told(luactl("tenant", "show", slug, "-o", "json"), 0).data["unfinished"]


def check_ledger() -> None:
    told(luactl("ledger", "verify"), 0)


def keys_in(home: Path) -> dict[Path, bytes]:
    """Return everything in the folder of holders, books, anchors and signing key."""
    return {file: file.read_bytes() for file in (home / "keys").rglob("*") if file.is_file()}


class Blow:
    """One command of the story, and what it comes to when nobody strikes."""

    def __init__(self, stage: Stage, striker: Striker, w: World, command: str, case: Case) -> None:
        self.stage, self.striker, self.w, self.command, self.case = stage, striker, w, command, case
        extra = ["--yes"] if "--yes" in options(command) else []
        self.args = [*command.split(), *case.args(w), "-o", "json", *extra]
        w.admin.close()
        stage.save()
        w.admin = stage.reset()
        self.before, self.keys_before = snapshot(w.admin), keys_in(stage.home)
        done, self.steps = striker.run(*self.args, stdin=case.stdin)
        self.code = ends_with(w, case)
        assert done.code == self.code, (command, done.err)
        now = snapshot(w.admin)
        self.after, self.files, self.entries = gist(now), stage.files(), self.called(now)
        self.roles = support_stage_roles.read(w.admin).gist()

    def called(self, now: Rows) -> Counter[tuple[str, str]]:
        """Return the entries that the command's own changes call for."""
        # What makes files makes them anew each time, and each time it is recorded.
        ours = {rule.action for rule in self.case.rules if rule.how != "files"} - {READS, "key.recover"}
        written = entries(changes(self.before, now))
        return Counter({one: number for one, number in written.items() if one[0] in ours})

    def strike(self, at: int, how: str) -> None:
        self.w.admin.close()
        self.w.admin = self.stage.reset()
        dsn = self.stage.server.admin_dsn(self.stage.database)
        done, _steps = self.striker.run(*self.args, at=at, how=how, stdin=self.case.stdin, admin=dsn)
        if how == "kill":
            assert met(done, "killed (-9)").code == KILLED
        elif how == "interrupt":
            met(done, "Ctrl-C")
        else:
            told(done, self.code, 1, 3, 4)
        self.inspect()
        self.repeat()

    def inspect(self) -> None:
        """Look at what is left, as somebody would who comes in the morning."""
        if self.command == "init":  # which records what it made when all of it is made
            return
        found = changes(self.before, snapshot(self.w.admin))
        check_entries(self.case, found)
        check_unfinished_work(self.w.admin)
        self.check(found)

    def check(self, found: list[Changed]) -> None:
        """See that keys and log are sound, where anything of them is not what it was: that was sound."""
        touched = {one.table.partition(".")[0] for one in found}
        if keys_in(self.stage.home) != self.keys_before:
            touched |= {"vault", "ledger"}
        if touched & {"vault", "crm"}:
            check_keys(self.w.admin)
        if "ledger" in touched:
            check_ledger()

    def repeat(self) -> None:
        """Run the same command again, and compare with what it would have come to."""
        again = told(luactl(*self.args, stdin=self.case.stdin), self.code, self.case.again)
        assert not json.loads(again.out)["error"] or self.case.again
        if self.case.finish:
            told(luactl(*self.case.finish(self.w)), 0)
        now = snapshot(self.w.admin)
        if not self.case.anew:  # what is done anew each time was perhaps done twice
            assert gist(now) == self.after
            assert self.called(now) == self.entries
        assert self.stage.files() == self.files
        assert support_stage_roles.read(self.w.admin).gist() == self.roles
        self.check(changes(self.before, now))


def strike_all(
    telling: Telling, striker: Striker, command: str, case: Case, ways: Ways
) -> Iterator[AssertionError]:
    """Strike in these ways, each at every so many steps; yield what was wrong afterwards."""
    stage, w = telling.stage, telling.world
    blow = Blow(stage, striker, w, command, case)
    for how, every in ways:
        for at, step in list(enumerate(blow.steps, 1))[:: max(every, SLOW.get(command, 1))]:
            try:
                blow.strike(at, how)
            except AssertionError as error:
                error.add_note(f"{how} of `{command}` at step {at} of {len(blow.steps)}: {step}")
                yield error
    w.admin.close()
    w.admin = stage.reset()


def tell(
    tellings: Tellings, striker: Striker, patch: pytest.MonkeyPatch, struck: str, *ways: tuple[str, int]
) -> None:
    """Tell the story up to that command, and strike there."""
    wrong: list[AssertionError] = []
    last = list(TABLE).index(struck)
    telling = tellings(last)
    telling.stage.enter(patch)
    patch.setenv("LUACTL_PROFILE", "whole")
    for command, cases in list(TABLE.items())[telling.told : last + 1]:
        telling.told = len(TABLE) + 1  # should anything go wrong on the way, nobody goes on from here
        for case in filter(matters, cases):
            case.prepare(telling.world)
            if command == struck and changing(case):
                wrong += strike_all(telling, striker, command, case, ways)
            run(telling.world, command, case)
        telling.told = list(TABLE).index(command) + 1
    assert not wrong, "\n\n".join("\n".join((*error.__notes__, str(error))) for error in wrong)


def ends_with(w: World, case: Case) -> int:
    """Return the exit code of a run that nobody strikes."""
    return 6 if case.findings(w) else 0


def matters(case: Case) -> bool:
    """Whether later commands may need what this one does: not that of one that only shows."""
    return changing(case) or case.empty or case.prepare != Case().prepare or case.keep != Case().keep


def run(w: World, command: str, case: Case) -> Any:
    extra = ["--yes"] if "--yes" in options(command) else []
    done = luactl(*command.split(), *case.args(w), "-o", "json", *extra, stdin=case.stdin)
    assert done.code == ends_with(w, case), (command, done.err)
    case.keep(w, done.data)


@pytest.mark.parametrize("command", QUICK)
def test_cut_short_at_any_step(
    tellings: Tellings, striker: Striker, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """By SIGKILL, by Ctrl-C, and by a server that ends all that it does for this command."""
    tell(tellings, striker, monkeypatch, command, ("kill", 9), ("interrupt", 31), ("terminate", 23))


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", [one for one, cases in TABLE.items() if any(map(changing, cases))])
def test_cut_short_at_every_step(
    tellings: Tellings, striker: Striker, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Killed at each step; interrupted, and left by its server, at every third."""
    tell(tellings, striker, monkeypatch, command, ("kill", 1), ("interrupt", 3), ("terminate", 3))
