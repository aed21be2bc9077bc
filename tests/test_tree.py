"""The command tree as a whole: what every verb has, whatever its noun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from luactl.commands.app import general_options
from luactl.commands.main import NOUNS, program

READING = {
    "actor",
    "checkpoint",
    "export-tiles",
    "letter",
    "queue",
    "timeline",
    "raw",
    "version",
    "what",
    "who",
    "bash",
    "zsh",
    "fish",
    "words",
    "doctor",
    "psql",
    "sql-roles",
    "url",
    "find",
    "list",
    "log",
    "plan",
    "prove",
    "reveal",
    "search",
    "show",
    "status",
    "tail",
    "verify",
}
OWN_HOME_ONLY = {"demo"}
# On a cosigner's own host: a new file where the caller says, no database.
NEW_FILES = {("ledger", "cosign", "key"), ("ledger", "cosign", "sign")}
CHECKS_FILES = {("log", "rule", "check")}
# Verbs that elsewhere change something.
READS_HERE = {
    ("policy", "open"), ("policy", "acknowledged"), ("access", "drift"), ("access", "duty", "check"),
    ("access", "elevation", "rules"), ("access", "elevation", "review"), ("access", "permission", "explain"),
}  # fmt: skip
ASKS_ON_SCREEN = {"tui"}  # the terminal UI shows each plan and asks before it changes anything


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, verb in below.items():
        yield from walk(verb, (*path, name))


def verbs() -> list[tuple[tuple[str, ...], Any]]:
    root = program()
    return [found for noun in NOUNS for found in walk(root.get_command(None, noun), (noun,))]


VERBS = verbs()
IDS = [" ".join(path) for path, _verb in VERBS]


def options(verb: Any) -> set[str]:
    return {name for param in verb.params for name in param.opts if name.startswith("-")}


@pytest.mark.parametrize(("path", "verb"), VERBS, ids=IDS)
def test_every_change_can_be_planned_and_runs_unasked(path: tuple[str, ...], verb: Any) -> None:
    free = (
        path[-1] in READING | OWN_HOME_ONLY | ASKS_ON_SCREEN or path in NEW_FILES | CHECKS_FILES | READS_HERE
    )
    wanted = set() if free else {"--dry-run", "--yes"}
    assert options(verb) & {"--dry-run", "--yes"} == wanted


@pytest.mark.parametrize(("path", "verb"), VERBS, ids=IDS)
def test_no_verb_takes_a_general_option_for_itself(path: tuple[str, ...], verb: Any) -> None:
    general = {name for option in general_options(version=True) for name in option.opts} | {"-h", "--help"}
    assert not options(verb) & general


@pytest.mark.parametrize(("path", "verb"), VERBS, ids=IDS)
def test_every_verb_and_parameter_explains_itself(path: tuple[str, ...], verb: Any) -> None:
    silent = [param.name for param in verb.params if not param.help]
    assert verb.help
    assert silent == []


@pytest.mark.parametrize(("path", "verb"), VERBS, ids=IDS)
def test_identities_are_also_taken_from_standard_input(path: tuple[str, ...], verb: Any) -> None:
    identities = {"--email", "--phone", "--external-id"} & options(verb)
    shown = {name: param.metavar for param in verb.params for name in param.opts}
    assert {shown[name] for name in identities} <= {"VALUE|-"}
