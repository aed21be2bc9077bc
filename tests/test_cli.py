"""The frame of the command line: formats, options, exit codes, errors. Run as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Connection, Home

from luactl.commands.render import as_csv, as_table

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
TOY = [sys.executable, str(HERE / "toy.py")]
STATUS = {
    "failed": ("error", 1),
    "connection": ("no-connection", 3),
    "busy": ("busy", 4),
    "refused": ("refused", 5),
}


def run(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*TOY, *args], input=stdin.encode(), capture_output=True, check=False, timeout=60)
    return subprocess.CompletedProcess(args, done.returncode, done.stdout.decode(), done.stderr.decode())


def on_terminal(*args: str, answer: str = "") -> tuple[int, str]:
    """Run with all three streams on one pseudo terminal; return exit code and what it showed."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="80", LINES="24")
        os.execv(TOY[0], [*TOY, *args])
    if answer:
        os.write(master, answer.encode())
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    _pid, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), seen.decode()


GOLDENS = [
    ("list", "table", ("toy", "list")),
    ("list", "json", ("toy", "list", "-o", "json")),
    ("list", "jsonl", ("toy", "list", "-o", "jsonl")),
    ("list", "csv", ("toy", "list", "-o", "csv")),
    ("show", "table", ("toy", "show", "Kreisel")),
    ("show", "json", ("toy", "show", "Kreisel", "-o", "json")),
    ("show", "jsonl", ("toy", "show", "Kreisel", "-o", "jsonl")),
    ("show", "csv", ("toy", "show", "Kreisel", "-o", "csv")),
    ("chest", "table", ("toy", "chest")),
    ("chest", "csv", ("toy", "chest", "-o", "csv")),
    ("error", "json", ("toy", "fail", "refused", "-o", "json")),
    ("findings", "json", ("toy", "check", "-o", "json")),
    ("plan", "json", ("toy", "burn", "--dry-run", "-o", "json")),
]


@pytest.mark.parametrize(("name", "form", "args"), GOLDENS, ids=[f"{n}.{f}" for n, f, _a in GOLDENS])
def test_output_is_the_golden_file_byte_for_byte(name: str, form: str, args: tuple[str, ...]) -> None:
    file = GOLDEN / f"{name}.{form}"
    printed = run(*args).stdout
    if os.environ.get("LUACTL_WRITE_GOLDEN"):
        file.write_bytes(printed.encode())
    assert printed.encode() == file.read_bytes()


def test_every_format_carries_the_same_values() -> None:
    listed = json.loads(run("toy", "list", "-o", "json").stdout)["data"]
    lines = [json.loads(line) for line in run("toy", "list", "-o", "jsonl").stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(run("toy", "list", "-o", "csv").stdout)))
    assert lines == listed
    assert [row["name"] for row in rows] == [one["name"] for one in listed]
    assert listed[2]["name"] == "\x1b[31mrot\x1b[0m\u202e\x9b"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"), ("@SUM(A1)", "'@SUM(A1)"), ("+1+cmd|x!A0", "'+1+cmd|x!A0"),
        ("-cmd|x!A0", "'-cmd|x!A0"), (" \t=1", "' \t=1"), ("+", "+"),
        ("+49 (0)30 90-18/20", "+49 (0)30 90-18/20"), ("-12.50", "-12.50"), ("O'Hara", "O'Hara"), (-3, "-3"),
    ],
)  # fmt: skip
def test_csv_runs_nothing_in_a_spreadsheet(value: object, written: str) -> None:
    """Names come from web forms; who opens an export in a spreadsheet must not run what they say."""
    rows = list(csv.reader(io.StringIO(as_csv([{"name": value}]))))
    assert rows == [["name"], [written]]


def test_field_names_of_an_object_are_lower_case_whoever_chose_them() -> None:
    columns = (("name", "NAME"), ("born.day", "E-MAIL DAY"))
    thing = {"name": "Kreisel", "born": {"day": "x"}}
    for terminal in (False, True):
        shown = as_table(thing, columns, terminal=terminal)
        assert [line.split()[0] for line in shown.splitlines()] == ["name", "e-mail"]
    assert as_table([thing], columns, terminal=False).startswith("NAME\tE-MAIL DAY\n")


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_no_value_can_steer_the_terminal(form: str) -> None:
    printed = run("toy", "list", "-o", form).stdout
    assert not {"\x1b", "\u202e", "\x9b"} & set(printed)


def test_table_on_a_terminal_is_aligned_and_neither_coloured_nor_steered() -> None:
    code, seen = on_terminal("toy", "list")
    assert code == 0
    assert "\x1b" not in seen + on_terminal("toy", "list", "-o", "csv")[1]
    assert "\\x1b[31mrot" in seen
    title, first, *_ = seen.splitlines()
    assert title.index("NAME") == first.index("Kreisel")


@pytest.mark.parametrize(
    "args",
    [
        ("-o", "json", "toy", "list"),
        ("toy", "-o", "json", "list"),
        ("toy", "list", "-o", "json"),
        ("toy", "list", "--output=json"),
        ("-ojson", "toy", "list", "--limit", "3"),
    ],
)
def test_general_options_are_taken_everywhere(args: tuple[str, ...]) -> None:
    assert json.loads(run(*args).stdout)["command"] == "toy list"


def test_option_nearest_to_the_verb_wins() -> None:
    assert run("-o", "csv", "toy", "list", "-o", "json").stdout.startswith("{")


def test_value_that_looks_like_an_option_stays_a_value() -> None:
    done = run("toy", "find", "--email", "-q", "-o", "json")
    assert json.loads(done.stdout)["data"]["value"] == "-q"


@pytest.mark.parametrize("place", [("-q", "toy", "show", "Kreisel"), ("toy", "show", "Kreisel", "--quiet")])
def test_quiet_keeps_data_and_drops_notes(place: tuple[str, ...]) -> None:
    loud, quiet = run("toy", "show", "Kreisel"), run(*place)
    assert loud.stderr == "looking into the chest\n"
    assert quiet.stderr == ""
    assert quiet.stdout == loud.stdout != ""


@pytest.mark.parametrize(("how", "told"), STATUS.items())
def test_failure_has_its_exit_code_its_sentence_and_its_envelope(how: str, told: tuple[str, int]) -> None:
    status, code = told
    done = run("toy", "fail", how, "-o", "json")
    envelope = json.loads(done.stdout)
    assert (done.returncode, envelope["status"], envelope["error"]["code"]) == (code, status, code)
    assert done.stderr.startswith(f"error: {envelope['error']['what']}\n")
    assert envelope["data"] is None
    plain = run("toy", "fail", how)
    assert (plain.returncode, plain.stdout, plain.stderr) == (code, "", done.stderr)


def test_hint_follows_the_error() -> None:
    assert run("toy", "fail", "failed").stderr == "error: the toy broke\nhint: glue it\n"


def test_findings_are_data_and_exit_6() -> None:
    done = run("toy", "check", "-o", "json")
    envelope = json.loads(done.stdout)
    assert (done.returncode, envelope["status"], envelope["error"]) == (6, "findings", None)
    assert len(envelope["data"]) == 1


def test_unexpected_error_is_a_sentence_and_a_traceback_only_with_debug() -> None:
    plain, debug = run("toy", "fail", "unexpected"), run("toy", "fail", "unexpected", "--debug")
    assert plain.returncode == debug.returncode == 1
    assert "Traceback" not in plain.stderr
    assert plain.stderr.startswith("error: unexpected ZeroDivisionError: by \\x1b[31mzero\nhint: ")
    assert "Traceback" in debug.stderr
    assert "\x1b" not in debug.stderr


def test_error_of_the_system_names_its_file() -> None:
    assert run("toy", "fail", "disk").stderr.startswith("error: toys.csv: No space left on device\n")


USAGE = [
    (("tooy",), "no such command: luactl tooy", "did you mean toy"),
    (("toy", "lsit"), "no such command: luactl toy lsit", "did you mean list"),
    (("toy", "list", "--limt", "3"), "no such option: --limt", "did you mean --limit"),
    (("toy", "list", "--outptu", "json"), "no such option: --outptu", "did you mean --output"),
    (("toy", "list", "-o", "xml"), "no such output format: xml", "table, json, jsonl, csv"),
    (("toy", "list", "--limit", "few"), "'few' is not a whole number", "luactl toy list --help"),
    (("toy", "list", "--limit", "-1"), "-1 is out of range", "luactl toy list --help"),
    (("toy", "show"), "missing argument 'NAME'", "luactl toy show --help"),
    (("toy", "list", "extra"), "unexpected extra argument", "luactl toy list --help"),
    (("toy", "list", "--limit"), "option '--limit' requires an argument", "luactl toy list --help"),
    (("toy", "find"), "exactly one of --email, --phone is needed", "give one"),
    (("toy", "find", "--email", "a", "--phone", "b"), "exactly one of", "give one"),
]


@pytest.mark.parametrize(("args", "what", "hint"), USAGE, ids=[" ".join(a) for a, _w, _h in USAGE])
def test_usage_error_exits_2_and_helps(args: tuple[str, ...], what: str, hint: str) -> None:
    done = run(*args)
    first, second = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert first.startswith("error: ")
    assert what in first
    assert second.startswith("hint: ")
    assert hint in second
    assert json.loads(run("-o", "json", *args).stdout)["status"] == "usage"


def test_usage_error_before_the_output_option_still_sends_the_envelope() -> None:
    assert json.loads(run("toy", "list", "--limt", "3", "-o", "json").stdout)["error"]["code"] == 2


@pytest.mark.parametrize("args", [(), ("toy",)])
def test_missing_verb_shows_help_on_standard_error(args: tuple[str, ...]) -> None:
    done = run(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == run(*args, "--help").stdout


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_plain_text_on_standard_output(flag: str) -> None:
    done = run("toy", "list", flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "List the toys." in done.stdout
    assert "--profile NAME" in done.stdout
    assert done.stdout.isascii()


def test_version() -> None:
    assert run("--version").stdout.startswith("luactl 0.")


def test_destructive_command_never_assumes_consent() -> None:
    done = run("toy", "burn", stdin="y\n")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --yes required when not running interactively\n")
    assert run("toy", "burn", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("flags", "answer", "code"),
    [((), "y\n", 0), ((), "\n", 1), (("--retype",), "attic\n", 0), (("--retype",), "yes\n", 1)],
)
def test_destructive_command_asks_on_a_terminal(flags: tuple[str, ...], answer: str, code: int) -> None:
    got, seen = on_terminal("toy", "burn", *flags, answer=answer)
    assert got == code
    assert ("nothing was changed" in seen) == (code == 1)


def test_dry_run_says_that_nothing_was_done() -> None:
    assert run("toy", "burn", "--dry-run").stderr == "dry run: nothing was changed\n"


def test_progress_is_shown_only_on_a_terminal() -> None:
    assert run("toy", "burn", "--yes").stderr == ""
    assert "burning: 3 of 3" in on_terminal("toy", "burn", "--yes")[1]


def test_identity_comes_from_standard_input() -> None:
    done = run("toy", "find", "--email", "-", "-o", "json", stdin="ines@example.org\nrest\n")
    assert json.loads(done.stdout)["data"] == {"kind": "email", "value": "ines@example.org", "tags": []}
    assert run("toy", "find", "--email", "-").returncode == 2


def test_identity_is_asked_for_on_a_terminal() -> None:
    code, seen = on_terminal("toy", "find", "--email", "-", answer="ines@example.org\n")
    assert code == 0
    assert "email:" in seen


def test_repeated_option_is_a_list() -> None:
    done = run("toy", "find", "--email", "x", "--tag", "a", "--tag", "b", "-o", "json")
    assert json.loads(done.stdout)["data"]["tags"] == ["a", "b"]


def test_interruption_exits_130_without_a_traceback() -> None:
    done = run("toy", "fail", "interrupt")
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_a_stream() -> None:
    with subprocess.Popen([*TOY, "toy", "flood"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        told = process.stderr.read().decode()
    assert process.returncode == 130
    assert "Traceback" not in told


def test_reader_that_leaves_ends_the_command_quietly() -> None:
    with subprocess.Popen([*TOY, "toy", "flood"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        told = process.stderr.read()
    assert (process.returncode, told) == (141, b"")


def test_full_disk_behind_standard_output_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*TOY, "toy", "list"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        b"error: cannot write to standard output: No space left on device\n"
        b"hint: make room, or give the result another place; what was changed stays changed\n"
    )


def test_closed_streams_are_no_fault_of_ours() -> None:
    for closed, told in ((">&-", b"error: standard output is closed"), ("2>&-", b""), ("<&-", b"")):
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *TOY, "toy", "list"]
        done = subprocess.run(shell, capture_output=True, check=False)
        assert done.stderr.startswith(told)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (1 if told else 0)


def test_arguments_cannot_steer_the_terminal() -> None:
    done = subprocess.run([*TOY, b"\x1b[31m\xff"], capture_output=True, check=False)
    assert done.stderr.startswith(b"error: no such command: luactl \\x1b[31m\\udcff\n")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_stream_needs_a_format_of_lines(form: str) -> None:
    done = run("toy", "flood", "-o", form)
    assert done.returncode == 2
    assert "jsonl" in done.stderr


@pytest.fixture
def hanging(home: Home, admin: Connection) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the middle of its transaction, which has told its backend."""
    admin.execute("CREATE TABLE public.scratch (n integer)")
    admin.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    admin.execute("GRANT INSERT ON public.scratch TO PUBLIC")
    pipe = subprocess.PIPE
    command = [*TOY, "toy", "hang", "-o", "jsonl"]
    with subprocess.Popen(command, env=home.environ, stdout=pipe, stderr=pipe) as process:
        yield process
        process.kill()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _out, told = process.communicate(timeout=30)
    return process.returncode, told.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_rolls_the_transaction_back(
    hanging: subprocess.Popen[bytes], admin: Connection, number: signal.Signals
) -> None:
    assert hanging.stdout is not None
    backend = json.loads(hanging.stdout.readline())["backend"]
    hanging.send_signal(number)
    code, told = ended(hanging)
    assert code == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    alive = admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state <> 'idle'", [backend]
    )
    assert alive.fetchone() == (0,)
    assert admin.execute("SELECT count(*) FROM public.scratch").fetchone() == (0,)


def test_server_that_goes_away_is_no_connection(hanging: subprocess.Popen[bytes], admin: Connection) -> None:
    assert hanging.stdout is not None
    backend = json.loads(hanging.stdout.readline())["backend"]
    admin.execute("SELECT pg_terminate_backend(%s)", [backend])
    code, told = ended(hanging)
    assert code == 3
    assert told.startswith("error: the connection to the database was lost")
    assert "hint: " in told
    assert "Traceback" not in told


def test_no_profile_is_no_connection(bare_home: Home) -> None:
    bare_home.paths.config_file.unlink()
    for command in (["toy", "hang"], ["tenant", "list"]):
        done = subprocess.run([*TOY, *command], env=bare_home.environ, capture_output=True, check=False)
        assert done.returncode == 3
        assert b"luactl init" in done.stderr
