"""Start-up: a command imports only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Home

from luactl.commands.entry import without_parser
from luactl.commands.main import NOUNS

HEAVY = {
    "aiosql", "asyncio", "cryptography", "idna", "importlib.metadata", "phonenumbers", "psycopg", "pydantic",
    "pydantic_core", "rich", "rfc8785", "tabulate", "textual", "tomlkit", "uuid_utils",
}  # fmt: skip
WALK = """
import json, sys, io
from luactl.commands.main import program, run
command = program()
for name in sys.argv[1:]:
    command = command.get_command(None, name)
def walk(command, path):
    yield path
    for name, verb in getattr(command, "commands", {}).items():
        yield from walk(verb, [*path, name])
out, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())
codes = [run([*path, "--help"]) for path in (walk(command, sys.argv[1:]) if sys.argv[1:] else [[]])]
json.dump({"codes": codes, "modules": sorted(sys.modules)}, out)
"""


def loaded_by_help(*path: str) -> set[str]:
    """Ask for the help of a noun and of everything below it; return the modules that this loaded."""
    done = subprocess.run([sys.executable, "-c", WALK, *path], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert set(told["codes"]) == {0}
    return set(told["modules"])


def test_help_loads_no_noun_and_nothing_heavy() -> None:
    loaded = loaded_by_help()
    assert not loaded & HEAVY
    assert not {f"luactl.commands.{noun}" for noun in NOUNS} & loaded
    assert {name for name in loaded if name.startswith("luactl.") and name.count(".") == 1} == {
        "luactl.commands",
        "luactl.errors",
    }


@pytest.mark.parametrize("noun", NOUNS)
def test_help_of_a_noun_loads_that_noun_alone_and_nothing_heavy(noun: str) -> None:
    loaded = loaded_by_help(noun)
    assert not loaded & HEAVY
    assert {other for other in NOUNS if f"luactl.commands.{other}" in loaded} == {noun}


def test_plain_options_are_converted_without_pydantic() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import toy; toy.install();"
        "from luactl.commands.main import run; run(['toy', 'show', 'Kreisel']);"
        "run(['toy', 'list', '--limit', '2']); run(['toy', 'find', '--email', 'x', '--tag', 'y']);"
        "sys.exit('pydantic_core' in sys.modules)"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_list_loads_the_database_but_no_keys_and_no_tables(home: Home) -> None:
    code = (
        "import sys; from luactl.commands.main import run; code = run(['tenant', 'list']);"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=home.environ, capture_output=True, text=True, check=True
    )
    code_and_modules = set(done.stderr.split())
    assert "0" in code_and_modules
    assert code_and_modules & HEAVY == {"aiosql", "asyncio", "importlib.metadata", "psycopg"}


def test_the_terminal_ui_begins_without_the_parser() -> None:
    code = (
        "import sys; from luactl.commands import entry; import luactl.tui.start, luactl.tui.app;"
        "sys.exit('typer' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("args", "profile"),
    [
        (["tui"], (None,)),
        (["--profile", "staging", "tui"], ("staging",)),
        (["tui", "--profile", "staging"], None),
        (["--profile", "", "tui"], None),
        (["--profile", "--debug", "tui"], None),
        (["--debug", "tui"], None),
        (["tui", "x"], None),
        (["tenant", "list"], None),
        ([], None),
    ],
)
def test_only_a_plain_tui_needs_no_parser(args: list[str], profile: tuple[str | None] | None) -> None:
    found = without_parser(args)
    assert (None if found is None else (found.profile,)) == profile
