"""The commands as a person or a cron job runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from luactl.db import Session
from tests.conftest import Home
from tests.support_crm import PEOPLE, new_tenant

Connection = psycopg.Connection[tuple[Any, ...]]
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _tenant(session: Session) -> None:
    new_tenant(session)


def test_import_list_and_show(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE.replace("City", "Heimat"), encoding="utf-8")
    done = cli("crm", "customer", "import", str(file), "--tenant", "smile")
    assert done.returncode == 0, done.stderr
    assert "columns not used: Heimat" in done.stderr
    listed = cli("crm", "customer", "list", "--tenant", "smile", "-o", "json", "--limit", "2")
    data = json.loads(listed.stdout)["data"]
    assert [row["name"] for row in data] == ["Nele Ångström", "Bruno Oliveira"]
    assert "only the first 2 are shown" in listed.stderr
    shown = cli("crm", "customer", "show", data[0]["subject_id"], "--tenant", "smile", "-o", "json")
    assert json.loads(shown.stdout)["data"] == data[0]


def test_standard_input_with_bad_lines_ends_with_findings(cli: Cli) -> None:
    arguments = ("crm", "customer", "import", "-", "--tenant", "smile", "-o", "json")
    text = 'id,name\n1,Ada\n"2,Bertha Secret\n3,Cy\n'
    planned = cli(*arguments, "--dry-run", stdin=text)
    done = cli(*arguments, stdin=text)
    assert (planned.returncode, done.returncode) == (6, 6), done.stderr
    plan, report = json.loads(planned.stdout)["data"], json.loads(done.stdout)["data"]
    assert {**plan, "dry_run": False} == report
    assert (report["imported"], report["rejected"], report["rejects"][0]["line"]) == (2, 1, 3)
    assert "line 3: a quote is never closed" in done.stderr
    assert "Secret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [(("customer", "import", "missing.csv", "--tenant", "smile"), 2, "cannot read"),
     (("customer", "import", "-", "--tenant", "nobody"), 1, "nobody"),
     (("customer", "import", "-", "--tenant", "smile", "--column", "mail=x"), 2, "no field 'mail'"),
     (("customer", "import", "-", "--tenant", "smile", "--column", "mail"), 2, "field=Header"),
     (("customer", "import", "-", "--tenant", "smile", "--all-or-nothing"), 1, "nothing was imported"),
     (("invoice", "import", "-", "--lines", "-", "--tenant", "smile"), 2, "only one"),
     (("interaction", "import", "-", "--tenant", "smile"), 2, "no column is recognised"),
     (("customer", "show", "x", "--tenant", "smile"), 2, "no subject id"),
     (("customer", "show", str(UUID(int=7)), "--tenant", "smile"), 1, "has no customer"),
     (("customer", "import", "-", "--tenant", "smile'; DROP TABLE crm.contact; --"), 1, "DROP")],
)  # fmt: skip
def test_what_goes_wrong_says_what_and_why(
    cli: Cli, arguments: tuple[str, ...], code: int, what: str
) -> None:
    done = cli("crm", *arguments, stdin="id,name\n1,Ada\n2,\n")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert what in done.stderr
    assert done.stderr.count("error: ") == 1


def test_an_empty_standard_input(cli: Cli) -> None:
    done = cli("crm", "customer", "import", "-", "--tenant", "smile")
    assert done.returncode == 1
    assert "standard input is empty" in done.stderr


@pytest.mark.long
def test_a_killed_import_leaves_whole_batches_and_is_finished_by_repeating(
    home: Home, cli: Cli, admin: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "many.csv"
    total = 60_000
    file.write_text("id,name\n" + "".join(f"{n},Person {n}\n" for n in range(total)), encoding="utf-8")
    program = Path(sys.executable).parent / "luactl"
    arguments = ["crm", "customer", "import", str(file), "--tenant", "smile"]
    running = subprocess.Popen([program, *arguments], env=home.environ, stderr=subprocess.PIPE)
    begun = time.monotonic()
    while counted(admin) == 0 and running.poll() is None and time.monotonic() - begun < 60:
        pass
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%crm customer%'"
    )
    left = counted(admin)
    assert 0 < left < total
    entries = admin.execute("SELECT body FROM ledger.entry WHERE action = 'crm.customer.import'").fetchall()
    assert (
        left
        == sum(json.loads(bytes(row[0]))["detail"]["imported"] for row in entries)
        == len(entries) * 10_000
    )
    done = cli(*arguments, "-o", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["data"]
    assert (report["already_there"], report["imported"]) == (left, total - left)
    assert counted(admin) == total


def counted(admin: Connection) -> int:
    row = admin.execute("SELECT count(*) FROM crm.contact").fetchone()
    assert row is not None
    return int(row[0])
