"""What the shell offers, how fast, and that it never says anything else."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Home, run_program
from support_erasure import PEOPLE
from support_terminal import terminal
from support_whole import luactl

from luactl.commands.completion import BASH, FISH, ZSH, candidates
from luactl.commands.main import NOUNS
from luactl.commands.settings import begin
from luactl.completion import ids
from luactl.config import find_paths, save_profile


def offered(*typed: str) -> list[str]:
    begin()
    return [word for word, _told in candidates(list(typed))]


def test_nouns_verbs_and_options() -> None:
    assert offered("") == list(NOUNS)
    assert offered("te") == ["tenant"]
    assert "show" in offered("tenant", "")
    assert offered("tenant", "cr") == ["create"]
    assert offered("crm", "customer", "i") == ["import"]
    assert offered("tenant", "create", "x", "--cou") == ["--country"]
    assert "--profile" in offered("tenant", "list", "--")
    assert "words" not in offered("completion", "")
    assert all(told for _word, told in candidates(["tenant", ""]))


@pytest.mark.parametrize(
    "typed",
    [("nothing", ""), ("tenant", "nothing", ""), ("tenant", "create", "--name", ""), ("verify", "")],
)
def test_where_nothing_is_known_nothing_is_offered(typed: tuple[str, ...]) -> None:
    assert offered(*typed) == []


def test_values_that_are_known_without_a_database(bare_home: Home) -> None:
    assert offered("tenant", "list", "-o", "js") == ["json", "jsonl"]
    assert offered("tenant", "list", "--output=js") == ["--output=json", "--output=jsonl"]
    assert offered("tenant", "list", "--output", "=", "js") == ["json", "jsonl"]  # as bash splits it
    assert offered("--profile", "") == ["test"]
    assert offered("-q", "--profile", "test", "ten") == ["tenant"]
    assert offered("profile", "use", "t") == ["test"]
    assert offered("profile", "add", "t") == []


@pytest.fixture
def two_tenants(home: Home) -> Home:
    for slug in ("smile", "smithy"):
        made = run_program(
            home.environ,
            "tenant",
            "create",
            slug,
            "--name",
            "X",
            "--country",
            "DE",
            "--contact",
            "o@x.example",
        )
        assert made.returncode == 0, made.stderr
    return home


def test_slugs_and_logins_come_from_the_database(two_tenants: Home) -> None:
    assert offered("tenant", "show", "sm") == ["smile", "smithy"]
    assert offered("subject", "find", "--tenant", "smi") == ["smile", "smithy"]
    assert offered("subject", "find", "--tenant=smit") == ["--tenant=smithy"]
    assert offered("--profile", "test", "tenant", "show", "smit") == ["smithy"]
    assert offered("--profile", "other", "tenant", "show", "sm") == []
    login = run_program(two_tenants.environ, "db", "status", "-o", "json").stdout
    name = json.loads(login)["data"]["login"]
    assert name in offered("log", "search", "--actor", name[:4])


def test_ids_come_from_the_page_and_the_ledger(two_tenants: Home) -> None:
    assert offered("promise", "show", "3.") == [
        one for one in offered("promise", "show", "") if one[:2] == "3."
    ]
    assert offered("promise", "prove", "3.1", "5.") == offered("promise", "show", "5.") != []
    assert offered("erasure", "show", "") == []
    erased = erase_somebody(two_tenants)
    assert offered("erasure", "show", erased[:1]) == [erased]
    assert offered("erasure", "verify", "") == [erased]
    assert offered("erasure", "show", "x") == []


def test_no_id_that_stands_for_a_person_is_offered(two_tenants: Home) -> None:
    erase_somebody(two_tenants)
    for typed in (
        ("subject", "show"), ("crm", "customer", "show"), ("erasure", "run", "--subject"),
        ("log", "search", "--tenant", "smile", "--subject"),
    ):  # fmt: skip
        assert offered(*typed, "") == []
    assert ids("subject", "") == []


def erase_somebody(home: Home) -> str:
    """Import people, erase one, and return the erasure's id."""
    people = home.path / "people.csv"
    people.write_text(PEOPLE)
    assert luactl("crm", "customer", "import", str(people), "--tenant", "smile").code == 0
    subject = luactl("crm", "customer", "list", "--tenant", "smile", "-o", "json").data[0]["subject_id"]
    done = luactl(
        "erasure",
        "run",
        "--tenant",
        "smile",
        "--subject",
        subject,
        "--instruction",
        "T",
        "--yes",
        "-o",
        "json",
    )
    return str(done.data["erasure_id"])


def shell_environ(home: Home) -> dict[str, str]:
    return {**home.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}


def test_bash_completes(two_tenants: Home) -> None:
    for typed, found in (
        ("luactl tenant show smil", "smile\n"),
        ("luactl tenant show sm", "smile\nsmithy\n"),
        ("luactl subject find --tenant = smit", "smithy\n"),
        ("luactl promise show 12.1", "12.1\n"),
    ):
        words = f"COMP_WORDS=({typed}); COMP_CWORD={len(typed.split()) - 1}; _luactl luactl"
        script = f"{BASH}\n{words}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(
            ["bash", "-c", script], env=shell_environ(two_tenants), capture_output=True, text=True, check=True
        )
        assert (done.stdout, done.stderr) == (found, "")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize("way", ["in a folder of $fpath", "sourced"])
def test_zsh_completes(two_tenants: Home, tmp_path: Path, way: str) -> None:
    (tmp_path / "_luactl").write_text(ZSH)
    load = {"sourced": f"compinit -u -D; source {tmp_path}/_luactl"}
    setup = load.get(way, f"fpath=({tmp_path} $fpath); compinit -u -D")
    with terminal(["zsh", "-f", "-i"], shell_environ(two_tenants)) as zsh:
        zsh.type(f"PS1=; autoload -U compinit; {setup}; echo re''ady\n")
        zsh.until("ready")
        for typed, found in (
            ("luactl tenant show smil\t", "smile "), ("luactl tenant show sm\t\t", "smithy"),
            ("luactl subject find --tenant=smit\t", "--tenant=smithy"), ("luactl promise show 12.\t", "12.1"),
            ("luactl compl\t", "completion "),
        ):  # fmt: skip
            zsh.type("\x15")
            zsh.type(typed)
            zsh.until(found)


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(two_tenants: Home, tmp_path: Path) -> None:
    (tmp_path / "luactl.fish").write_text(FISH)
    (tmp_path / "smear").write_text("a file is offered only where luactl knows nothing")

    def completed(line: str) -> list[str]:
        command = ["fish", "--no-config", "-c", f"source luactl.fish; complete -C '{line}'"]
        done = subprocess.run(
            command, env=shell_environ(two_tenants), cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert completed("luactl tenant show sm") == ["smile\ttenant", "smithy\ttenant"]
    assert completed("luactl subject find --tenant=smit") == ["--tenant=smithy\ttenant"]
    assert completed("luactl tenant list -o csv --prof") == [
        "--profile\tThe profile to use instead of the default one."
    ]
    assert completed("luactl promise show 12.1")[0].startswith("12.1\t")
    assert completed("luactl verify sm") == ["smear"]


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_scripts_are_printed_and_parse(bare_home: Home, shell: str, script: str) -> None:
    assert run_program(bare_home.environ, "completion", shell).stdout == script
    told = run_program(bare_home.environ, "completion", shell, "-o", "json").stdout
    assert json.loads(told)["data"] == {"script": script}
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here to parse it")
    subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_a_silent_server_costs_a_second_and_no_word(bare_home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        profile = replace(bare_home.profile, dsn=f"host=127.0.0.1 port={port} dbname=x user=y")
        save_profile(find_paths(bare_home.environ), profile)
        before = time.monotonic()
        done = run_program(bare_home.environ, "completion", "words", "--", "tenant", "show", "s")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert 1.0 < time.monotonic() - before < 5.0


def test_no_profile_and_no_server_are_no_words(bare_home: Home, tmp_path: Path) -> None:
    for environ in (
        {**bare_home.environ, "LUACTL_HOME": str(tmp_path / "none")},
        {**bare_home.environ, "LUACTL_PROFILE": "unknown"},
    ):
        done = run_program(environ, "completion", "words", "--", "tenant", "show", "s")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_embedded_server_is_not_started_for_it(bare_home: Home) -> None:
    save_profile(find_paths(bare_home.environ), replace(bare_home.profile, embedded=True))
    done = run_program(bare_home.environ, "completion", "words", "--", "tenant", "show", "s")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not bare_home.paths.server("test").exists()


def test_words_load_only_what_is_on_the_way() -> None:
    code = (
        "import sys; from luactl.commands.main import run;"
        "run(['completion', 'words', '--', 'tenant', 'cr']);"
        "sys.exit(any(name in sys.modules for name in ('psycopg', 'luactl.commands.crm', 'tabulate')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split("\t")[0]) == (0, "create"), done.stderr
