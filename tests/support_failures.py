"""The table of docs/reference/failures.md as the tests read it, and how they listen to steps and wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from conftest import Connection
from support_erasure import PEOPLE, VISITS
from support_strike import MAKERS
from support_wait import until
from support_whole import Done, luactl

from luactl.db import Session, Step

FAILURES = Path(__file__).parents[1] / "docs" / "reference" / "failures.md"
T = ("--tenant", "smile")
CREATE = ("tenant", "create", "smile", "--name", "S", "--country", "DE", "--contact", "office")
TABLES = {"customer": PEOPLE, "interaction": VISITS}
OURS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'luactl%'"
)


@dataclass(frozen=True)
class Row:
    """One row: the failure, the exit codes that it may have, and what the error says."""

    failure: str
    codes: tuple[int, ...]
    says: tuple[str, ...]
    """One of them is told."""


def table() -> dict[str, Row]:
    """Return the rows of every table of failures by what failed."""
    rows = {}
    for line in FAILURES.read_text(encoding="utf-8").partition("## Steps")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| ") or len(cells) != 5 or cells[1] == "exit":
            continue
        codes = tuple(map(int, re.findall(r"\d+", cells[1])))
        rows[cells[0]] = Row(cells[0], codes, tuple(re.findall(r"`([^`]+)`", cells[2])))
    return rows


def met(done: Done, failure: str) -> Done:
    """Check that a command ended as the page says of that failure, with a hint and without a traceback."""
    row = table()[failure]
    code = 128 - done.code if done.code < 0 else done.code  # as a shell tells it
    assert code in row.codes, (done.code, done.err)
    assert "error: unexpected" not in done.err
    assert "Traceback" not in done.err
    if row.says:
        assert any(words in done.err for words in row.says), done.err
    if done.code in (1, 2, 3, 4, 5):
        assert re.search(r"^error: .+\nhint: .+", done.err, re.MULTILINE), done.err
    return done


@contextmanager
def listening(step: Step) -> Iterator[None]:
    """Have every Session of this process tell its steps."""
    with ExitStack() as stack:
        for module in MAKERS:
            stack.enter_context(patch(f"{module}.Session", partial(Session, step=step)))
        yield


def once(name: str, act: Callable[[], object]) -> Step:
    """Return a listener that acts when a step is reached for the first time."""
    reached: list[str] = []

    def step(now: str) -> None:
        if now == name and not reached:
            reached.append(now)
            act()

    return step


def until_nobody_is_there(admin: Connection) -> None:
    """Return once the server has ended everything that it did for luactl."""
    until(lambda: admin.execute(OURS.encode()).fetchone() is None)


def practice(folder: Path, *nouns: str) -> str:
    """Make a tenant with people, and what else the nouns name; return the subject id of one of them."""
    assert luactl(*CREATE).code == 0
    for noun in ("customer", *nouns):
        (folder / f"{noun}.csv").write_text(TABLES[noun])
        assert luactl("crm", noun, "import", str(folder / f"{noun}.csv"), *T).code == 0
    found = luactl("crm", "customer", "list", *T, "-o", "json").data
    return str(next(one["subject_id"] for one in found if one["external_id"] == "1"))


def erasing(subject: str) -> tuple[str, ...]:
    """Return the command that erases somebody."""
    return ("erasure", "run", *T, "--subject", subject, "--instruction", "ticket", "--yes")


def sound() -> None:
    """See that keys and log are whole."""
    for check in ("key status", "key verify", "ledger verify"):
        done = luactl(*check.split())
        assert done.code == 0, done.err
