"""The proof that counts: whoever has every old copy and today's root opens everybody but the erased person.

The history below is made with the real program on a server of its own, with WAL archiving on. Copies are
taken of the stopped server before the erasure, after it, and after the purge years later; the archive has
every WAL segment in between. The attacker then gets all of it.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from luactl import embedded
from luactl.config import load_profile
from luactl.demo.world import World

from .copies import raw_streams, server_account

PEOPLE = 59
ERASED = "D-007"
YEARS = timedelta(days=365 * 12)


@dataclass(frozen=True)
class History:
    """Everything that ever lay anywhere."""

    folder: Path
    bin_dir: Path
    subject: str
    roots: dict[str, Path]
    """Root files as they were: before, after, years later."""

    def attack(self, root: str, *moments: str) -> dict[str, Any]:
        """Run the attacker with one root and the copies of these moments."""
        arguments = ["--bin", str(self.bin_dir), "--database", "luactl", "--root", str(self.roots[root])]
        for moment in moments:
            arguments += ["--base", str(self.folder / moment)]
            arguments += ["--book", str(self.folder / f"{moment}-book" / "keybook.sqlite")]
        arguments += ["--raw", str(self.folder / "archive")]
        done = subprocess.run(
            [sys.executable, "-m", "tests.attack.attack", *arguments],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def write_people(folder: Path) -> None:
    """Write 59 invented people with an interaction and two invoices each."""
    with (
        (folder / "people.csv").open("w", newline="") as one,
        (folder / "talks.csv").open("w", newline="") as two,
    ):
        people, talks = csv.writer(one), csv.writer(two)
        people.writerow(["customer_id", "first_name", "last_name", "email", "phone", "street"])
        talks.writerow(["customer_id", "kind", "occurred_at", "text"])
        for n in range(1, PEOPLE + 1):
            name = f"D-{n:03}"
            people.writerow([name, f"Vorname{n}", f"Nachname{n}", f"person{n}@example.org", "", f"Weg {n}"])
            talks.writerow([name, "call", "2026-05-04T09:00:00Z", f"Spoke about filling {n}"])
    with (
        (folder / "bills.csv").open("w", newline="") as one,
        (folder / "items.csv").open("w", newline="") as two,
    ):
        bills, items = csv.writer(one), csv.writer(two)
        bills.writerow(
            ["invoice_number", "customer_id", "issued_on", "billing_name", "billing_address", "total"]
        )
        items.writerow(["invoice_number", "description", "quantity", "unit_price"])
        for n in range(1, PEOPLE + 1):
            for year in (2025, 2026):
                number = f"{year}-{n:03}"
                bills.writerow(
                    [number, f"D-{n:03}", f"{year}-03-02", f"Vorname{n} Nachname{n}", f"Weg {n}", "80.00"]
                )
                items.writerow([number, f"Cleaning {n}", "1", "80.00"])


def archive_wal(world: World, archive: Path) -> None:
    """Let the server keep every WAL segment; takes effect at its next start."""
    archive.mkdir(mode=0o777)
    archive.chmod(0o777)
    with world.looking() as conn:
        conn.execute("ALTER SYSTEM SET archive_mode = on")
        conn.execute(f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'")  # a path of this test's own
        conn.execute("ALTER SYSTEM SET autovacuum = off")
    embedded.stop(world.server)


def copy(world: World, folder: Path, moment: str) -> Path:
    """Copy the stopped server, the key book and the root as they are now; returns the root."""
    with world.looking() as conn:
        conn.execute("SELECT pg_switch_wal()")
        conn.execute("CHECKPOINT")
    embedded.stop(world.server)
    shutil.copytree(world.server.data, folder / moment)
    shutil.copytree(load_profile(None, world.environ).books[0], folder / f"{moment}-book")
    root: Path = folder / f"{moment}.key"
    shutil.copy(world.roots()[-1], root)
    return root


def make_history(world: World, folder: Path) -> History:
    """Live through import, erasure and, years later, the purge."""
    files = world.home / "files"
    write_people(files)
    tenant = ("--tenant", "dental")
    world.run("init")
    world.make_throwaway()
    archive_wal(world, folder / "archive")
    world.run("tenant", "create", "dental", "--name", "Dental", "--country", "DE", "--contact", "Ida Brandt")
    world.run("crm", "customer", "import", str(files / "people.csv"), *tenant)
    world.run("crm", "interaction", "import", str(files / "talks.csv"), *tenant)
    world.run(
        "crm", "invoice", "import", str(files / "bills.csv"), "--lines", str(files / "items.csv"), *tenant
    )
    found = world.run("subject", "find", *tenant, "--external-id", "-", stdin=ERASED + "\n").data
    subject = str(found[0]["subject_id"])
    roots = {"before": copy(world, folder, "before")}
    world.run(
        "erasure", "run", *tenant, "--subject", subject, "--instruction", "letter of 20 November", "--yes"
    )
    roots["after"] = copy(world, folder, "after")
    world.move_clock(YEARS)
    world.run("retention", "purge", "--all", "--yes")
    roots["later"] = copy(world, folder, "later")
    return History(folder, world.server.bindir, subject, roots)


@pytest.fixture(scope="module")
def history() -> Iterator[History]:
    """The whole history, made once."""
    from luactl.demo.world import new_home, throw_away

    world = new_home()
    folder = world.home / "copies"
    folder.mkdir(mode=0o711)  # the server's own account writes the archive, and must get there
    try:
        yield make_history(world, folder)
    finally:
        throw_away(world)


def of(found: dict[str, Any], subject: str) -> Counter[str]:
    """Count what opened of one person, by table."""
    return Counter(one["table"] for one in found["opened"] if one["subject"] == subject)


def others(found: dict[str, Any], subject: str) -> dict[str, int]:
    """Count every value that opened of everybody else, by table; the ledger references are left out."""
    return without_reference(Counter(one["table"] for one in found["opened"] if one["subject"] != subject))


EVERYTHING = {"crm.contact": 1, "crm.interaction": 1, "crm.invoice": 2, "crm.invoice_line": 2}
DUTY = {"crm.invoice": 2, "crm.invoice_line": 2}
OTHERS = {table: (PEOPLE - 1) * number for table, number in EVERYTHING.items()}


def without_reference(counted: Counter[str]) -> dict[str, int]:
    """Leave out the ledger references, which only people have whom somebody looked at."""
    return {table: number for table, number in counted.items() if table != "crm.subject"}


@pytest.mark.long
def test_the_root_from_before_opens_all_of_the_erased_person(history: History) -> None:
    found = history.attack("before", "before", "after")
    assert without_reference(of(found, history.subject)) == EVERYTHING
    assert others(found, history.subject) == OTHERS
    names = {one["plain"]["last_name"] for one in found["opened"] if one["table"] == "crm.contact"}
    assert names == {f"Nachname{n}" for n in range(1, PEOPLE + 1)}


@pytest.mark.long
def test_todays_root_opens_everybody_else_and_of_him_only_what_duty_keeps(history: History) -> None:
    found = history.attack("after", "before", "after")
    assert without_reference(of(found, history.subject)) == DUTY
    assert of(found, history.subject)["crm.subject"] == 0
    assert others(found, history.subject) == OTHERS


@pytest.mark.long
def test_after_the_duty_nothing_of_him_opens(history: History) -> None:
    found = history.attack("later", "before", "after", "later")
    assert of(found, history.subject) == Counter()
    assert others(found, history.subject) == {"crm.contact": PEOPLE - 1}


@pytest.mark.long
def test_the_attacker_finds_old_versions_in_wal_and_dead_tuples(history: History) -> None:
    """Else the tests above would prove nothing about old copies."""
    from .blobs import nodes_in

    versions: dict[bytes, set[int]] = {}
    for _, stream in raw_streams(history.folder / "archive"):
        for node in nodes_in(stream):
            versions.setdefault(node.path, set()).add(node.version)
    assert {1, 2, 3} <= versions[b""]


@pytest.mark.long
def test_no_copy_contains_a_word_of_anybody(history: History) -> None:
    words = [
        word.encode() for word in ("Nachname7", "person7@example.org", "Spoke about filling", "Cleaning 7")
    ]
    for name, stream in raw_streams(history.folder):
        assert not [word for word in words if word in stream], name


def test_the_attacker_shares_no_code_with_the_engine() -> None:
    probe = (
        "import sys, tests.attack.attack as a; "
        "print([m for m in sys.modules if m == 'luactl' or m.startswith('luactl.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.strip() == "[]"
    assert server_account() == {} or os.geteuid() == 0
