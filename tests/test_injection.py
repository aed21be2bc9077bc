"""Text stays text: hostile strings through every option and argument of every command.

Whatever is sent, a command ends with a documented exit code and a sentence of its own, the terminal is not
steered, nothing runs, and the tables hold what they held, or the very text that was given.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from conftest import Connection, Home
from support_erasure import BILL_LINES, BILLS, PEOPLE, VISITS
from support_whole import Done, changes, luactl, snapshot, verbs

from luactl.errors import Exit

PAYLOADS = {
    "sql-quote": "x'; DROP TABLE lua.tenant CASCADE; --",
    "sql-or": "' OR 1=1 --",
    "sql-dollar": "$$; TRUNCATE crm.contact CASCADE; $$ $1",
    "sql-backslash": "\\'; DELETE FROM ledger.entry; --\\",
    "sql-identifier": '"; DROP SCHEMA crm CASCADE; --',
    "shell": "; touch pwned; $(touch pwned) `touch pwned` | touch pwned && touch pwned",
    "percent": "%s %(x)s %n %%s %d 100%",
    "braces": "{0} {name!r} {0.__class__} :name ::text",
    "traversal": "../../../../../../etc/passwd",
    "absolute": "/etc/passwd\u2044..",
    "option": "--yes",
    "empty": "",
    "blank": "  \t ",
    "escape": "\x1b[2J\x1b]0;owned\x07\x1b[31m",
    "newline": "one\ntwo\r\nerror: three",
    "bidi": "\u202egnp.exe\u2066\u200f",
    "c1": "\x9b31m\x85\x7f",
    "nul": "a\x00b",
    "surrogate": os.fsdecode(b"caf\xe9 \xff"),
    "unicode": "İﬀ𝕏 Ｊａｎ e\u0301 👩‍👩‍👧 \U0010ffff",
    "long": "ä" * 5000 + "'",
    "number": "99999999999999999999999999",
    "date": "0000-00-00T99:99:99",
}
ALWAYS = ("sql-quote", "surrogate", "nul", "escape")
# A piped table has tabs between its columns and nothing else that steers.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
CODES = {int(code) for code in Exit} - {Exit.BUSY, Exit.INTERRUPTED}
COMMANDS = verbs()
PLANNED = {
    "init",
    "profile add",
    "profile use",
    "profile remove",
    "erasure run",
    "retention purge",
    "key recover",
}
PROMISES = ("show", "waive", "unwaive")
# What has a world of its own, a screen, or (`db psql`) becomes another program.
IDLE = {"demo", "tui", "db psql", "embedded start", "embedded stop", "embedded status"}
# Where a command keeps what it was told.
STORED = {
    ("tenant create", "--name"): "SELECT name FROM lua.tenant WHERE slug = %s",
    ("tenant create", "--contact"): "SELECT contact FROM lua.tenant WHERE slug = %s",
    ("tenant suspend", "--reason"): "SELECT reason FROM lua.tenant WHERE slug = %s",
    ("instruction add", "--purpose"): "SELECT purpose FROM lua.instruction WHERE reference = %s",
    ("instruction add", "--given-by"): "SELECT given_by FROM lua.instruction WHERE reference = %s",
}
CHANGING = {
    "tenant create", "tenant suspend", "tenant resume", "instruction add", "retention set", "subject reindex",
    "crm customer import", "crm interaction import", "crm invoice import", "ledger integrate",
    "promise waive", "promise unwaive", "tenant import", "secret issue", "secret rotate", "secret revoke",
}  # fmt: skip
READING = {"ledger.entry", "ledger.pending", "crm.subject"}


@dataclass
class World:
    """A tenant with people, and the valid values that stand beside the hostile one."""

    admin: Connection
    folder: Path
    values: dict[str, str] = field(default_factory=dict)
    number: int = 0

    def valid(self, command: str, name: str) -> str:
        """Return a value that this parameter would take; slugs and references are new each time."""
        self.number += 1
        if (command, name) in (("tenant create", "slug"), ("instruction add", "--reference")):
            return f"new-{self.number}"
        return self.values.get(f"{command} {name}") or self.values.get(name, "none")


@pytest.fixture
def world(home: Home, admin: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    monkeypatch.chdir(cwd)
    w = World(admin, cwd)
    for name, text in (("people", PEOPLE), ("visits", VISITS), ("bills", BILLS), ("lines", BILL_LINES)):
        (tmp_path / f"{name}.csv").write_text(text)
    create("smile")
    create("canary")
    tables = {name: str(tmp_path / f"{name}.csv") for name in ("people", "visits", "bills", "lines")}
    for tenant in ("smile", "canary"):
        for words, table in (("customer", "people"), ("interaction", "visits"), ("invoice", "bills")):
            ended(luactl("crm", words, "import", tables[table], "--tenant", tenant), 0)
    listed = luactl("crm", "customer", "list", "--tenant", "smile", "-o", "json").data
    asked = ("--tenant", "smile", "--right", "erasure", "--reference", "T-1", "--received", "-1d")
    request = luactl("request", "add", *asked, "-o", "json").data["request_id"]
    who = ("--subject", listed[0]["subject_id"], "--how", "card")
    ended(luactl("request", "identify", request, *who), 0)
    entry = luactl("log", "search", "--limit", "1", "-o", "json").data[0]["id"]
    w.values = {
        "--tenant": "smile", "slug": "smile", "--name": "Smile", "--country": "DE", "--contact": "office",
        "--reason": "none", "--reference": "R", "--purpose": "support", "--given-by": "office",
        "crm customer import file": tables["people"], "crm interaction import file": tables["visits"],
        "crm invoice import file": tables["bills"], "--lines": tables["lines"],
        "subject": listed[0]["subject_id"], "--subject": listed[0]["subject_id"],
        "who": listed[0]["subject_id"], "--instruction": "ticket", "erasure_id": entry, "id": entry,
        "name": "test", "--until": "2999-01-01", **{f"promise {verb} id": "1.4" for verb in PROMISES},
        "--table": "crm.contact", "--archive": str(cwd), "--marker": "-", "--sealed-since": "2026-11-20",
        "--lock-timeout": "5",
        "--scope": "contact.read", "token": "abcdefgh", "--days": "9", "--overlap": "2",
        **{f"secret {verb} name": f"{verb}-s" for verb in ("put", "issue", "reveal", "rotate", "revoke")},
        "file": tables["people"], "folder": str(cwd), "--isolation": "pooled",
        "request_id": request, "--request": request, "--right": "erasure", "--how": "card",
        "--outcome": "answered", "--case": "INC-7", "log export --to": str(cwd / "box"), "--ahead": "0.5",
        "log custody add --action": "stored", "--by": "Ida Falk",
        "login": "nobody", "--passfile": str(cwd / "passfile"), "--class": "interaction", "--months": "24",
    }  # fmt: skip
    return w


def create(slug: str) -> None:
    ended(luactl("tenant", "create", slug, "--name", slug, "--country", "DE", "--contact", "office"), 0)


def ended(done: Done, *codes: int) -> None:
    assert done.code in codes, done.err


def takes_text(param: Any) -> bool:
    return not param.is_flag if param.param_type_name == "option" else True


def spelt(param: Any) -> str:
    return str(max(param.opts, key=len) if param.param_type_name == "option" else param.name)


def parameters() -> Iterator[tuple[str, str]]:
    """Return every parameter that takes a value, of every command."""
    for command, verb in COMMANDS.items():
        for param in verb.params:
            if takes_text(param):
                yield command, spelt(param)


def line(w: World, command: str, name: str, payload: str) -> list[str]:
    """Return a command line with one hostile value among valid ones."""
    words, arguments = command.split(), list[str]()
    for param in COMMANDS[command].params:
        if not takes_text(param) or not (param.required or spelt(param) == name):
            continue
        value = payload if spelt(param) == name else w.valid(command, spelt(param))
        if param.param_type_name == "argument":
            arguments.append(value)
        else:
            words.append(f"{spelt(param)}={value}")
    if name in ("--subject", "--certificate") and command.startswith("log"):
        words += ["--tenant", "smile"]
    if command in PLANNED or (command not in CHANGING and plans(command)):
        words.append("--dry-run")
    return [*words, *(("--", *arguments) if arguments else ())]


def plans(command: str) -> bool:
    return any("--dry-run" in param.opts for param in COMMANDS[command].params)


def chosen(command: str, name: str, every: bool) -> list[str]:
    """Return the names of payloads for a parameter: some always, others in turn, or all of them."""
    rest = [one for one in PAYLOADS if one not in ALWAYS]
    start = crc32(f"{command} {name}".encode()) % len(rest)
    return [*ALWAYS, *(rest if every else (rest + rest)[start : start + 4])]


def check(done: Done, args: Sequence[str]) -> None:
    """Whatever came, the command ends in a way that a person can use."""
    told = f"{args!r}: {done.code} {done.out} {done.err}"
    assert done.code in CODES, told
    assert not RAW.search(done.out + done.err), told
    assert "Traceback" not in done.err
    assert "fault in luactl" not in done.err, told
    assert "the database refused" not in done.err, told
    assert "syntax error" not in done.err, told
    if done.code not in (0, 6):
        assert re.match(r"error: .+\nhint: .+\n$", last_error(done.err), re.DOTALL), told


def last_error(err: str) -> str:
    return err[err.rindex("error: ") :] if "error: " in err else err


# What they are told is where to write, in a new file or folder: whatever its name, nothing else appears.
WRITING = {"ledger export-tiles", "ledger checkpoint", "ledger cosign key", "ledger cosign sign"}


def attack(w: World, command: str, name: str, every: bool) -> int:
    """Send the payloads through one parameter; return how many were taken."""
    before, taken = snapshot(w.admin), 0
    for kind in chosen(command, name, every):
        args = line(w, command, name, PAYLOADS[kind])
        done = luactl(*args)
        check(done, args)
        taken += done.code == 0
        query = STORED.get((command, name))
        if query and done.code == 0:
            key = next((a.partition("=")[2] for a in args if a.startswith("--reference=")), args[-1])
            stored = w.admin.execute(query.encode(), [key]).fetchone()
            assert stored == (PAYLOADS[kind].strip(),), args
        if command == "tenant suspend":
            luactl("tenant", "resume", "smile")
    found = changes(before, snapshot(w.admin))
    if command not in CHANGING or not taken:
        assert {one.table for one in found} <= READING, (command, name)
    assert all(one.how == "insert" for one in found if one.table == "ledger.entry")
    canary = w.admin.execute("SELECT tenant_id FROM lua.tenant WHERE slug = 'canary'").fetchone()
    assert canary
    assert [one for one in found if one.fields.get("tenant_id") == canary[0] and one.how != "insert"] == []
    if command in WRITING:
        for file in w.folder.iterdir():
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    assert list(w.folder.iterdir()) == []
    return taken


def send_everywhere(w: World, every: bool) -> None:
    sent = [one for one in parameters() if one[0] not in IDLE]
    taken = sum(attack(w, command, name, every) for command, name in sent)
    assert len(sent) > 60
    assert taken > 50  # else the valid values beside them were not valid


@pytest.mark.long
def test_hostile_text_through_every_parameter(world: World) -> None:
    send_everywhere(world, every=False)


@pytest.mark.exhaustive
def test_all_hostile_text_through_every_parameter(world: World) -> None:
    send_everywhere(world, every=True)


@pytest.mark.parametrize("option", ["--profile", "--output"])
def test_general_options(home: Home, option: str) -> None:
    for kind, payload in PAYLOADS.items():
        args = ["tenant", "list", f"{option}={payload}"]
        done = luactl(*args)
        check(done, args)
        assert done.code in (2, 3), kind


@pytest.mark.parametrize("words", [(), ("tenant",), ("crm", "customer")])
def test_names_of_commands(home: Home, words: tuple[str, ...]) -> None:
    for payload in PAYLOADS.values():
        args = [*words, payload]
        done = luactl(*args)
        check(done, args)
        assert done.code == 2


def test_hostile_cells_come_back_as_they_were(world: World, tmp_path: Path) -> None:
    """What a table's cells hold is sealed, and opens again to the same text."""
    kinds = [kind for kind, text in PAYLOADS.items() if text.strip() and kind not in ("nul", "surrogate")]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["CustomerId", "Company", "LastName", "Notes"])
    writer.writerows([f"h-{kind}", PAYLOADS[kind][:200], "Nachname", PAYLOADS[kind]] for kind in kinds)
    path = tmp_path / "hostile.csv"
    path.write_text(table.getvalue(), encoding="utf-8", newline="")
    done = luactl("crm", "customer", "import", str(path), "--tenant", "smile")
    check(done, [])
    listed = luactl("crm", "customer", "list", "--tenant", "smile", "--limit", "0", "-o", "json")
    assert not RAW.search(listed.out)
    kept = {one["external_id"]: one for one in listed.data}
    went_in = {kind for kind in kinds if f"h-{kind}" in kept}
    assert {"sql-quote", "shell", "percent", "braces", "unicode"} <= went_in
    for kind in went_in:
        assert kept[f"h-{kind}"]["company"] == PAYLOADS[kind][:200].strip()
        assert kept[f"h-{kind}"]["notes"] == PAYLOADS[kind].strip()
    left = [kind for kind in kinds if kind not in went_in]
    assert done.code == (6 if left else 0)
    shown = luactl("crm", "customer", "list", "--tenant", "smile", "--limit", "0")
    assert not RAW.search(shown.out)


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe\n", b"a\x00b\n", b"\x1b[31m\n", b"x' OR 1=1 --\n", b"", b"\n", b"a" * 20000]
)
def test_identities_on_standard_input(world: World, home: Home, raw: bytes) -> None:
    for option in ("--email", "--name", "--phone", "--external-id"):
        args = ["subject", "find", "--tenant", "smile", option, "-"]
        check(luactl(*args, stdin=raw), [*args, repr(raw)])
    done = subprocess.run(
        [sys.executable, "-m", "luactl.commands.main", "subject", "find", "--tenant", "smile", "--name", "-"],
        env={**home.environ, "PYTHONIOENCODING": "utf-8:strict"}, input=raw, capture_output=True, check=False,
    )  # fmt: skip
    check(Done(done.returncode, done.stdout.decode(), done.stderr.decode()), [repr(raw)])


@pytest.mark.parametrize(
    "raw", [b"'; DROP TABLE lua.tenant; --", b"\xff\xfe\x1b[31m", "\u202eä".encode(), b"%s$(id)"]
)
def test_as_a_program_of_its_own(home: Home, raw: bytes) -> None:
    for place in ([b"tenant", b"show", raw], [b"crm", b"customer", b"import", raw, b"--tenant", raw], [raw]):
        command = [os.fsencode(sys.executable), b"-m", b"luactl.commands.main", *place]
        done = subprocess.run(command, env=home.environ, capture_output=True, check=False)
        check(Done(done.returncode, done.stdout.decode(), done.stderr.decode()), [repr(place)])
