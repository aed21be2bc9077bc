"""`--help` of every verb: examples first, and each example is a command line that the program takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from support_whole import luactl, verbs

from luactl.commands.main import NOUNS, program
from luactl.commands.manual import escape, pages

VISIBLE = {command: verb for command, verb in verbs().items() if not verb.hidden}
WIDEST = 100
SHELL = "|&;<>"


def parts(example: str) -> Iterator[list[str]]:
    """Yield the words of each `luactl` in a line for the shell, without what the shell itself takes."""
    lexed, ours = shlex.shlex(example, posix=True, punctuation_chars=SHELL), list[str]()
    lexed.whitespace_split = True
    for word in [*lexed, "|"]:
        if set(word) <= set(SHELL):
            if ours[:1] == ["luactl"]:
                yield ours[1:]
            ours = []
        else:
            ours.append(word)


def parse(words: list[str]) -> str:
    """Parse a command line with the program, run nothing; return the verb. Raises what parsing raises."""
    ctx = program().make_context("luactl", list(words))
    rest, path = [*ctx._protected_args, *ctx.args], []
    while rest:
        name, command, rest = ctx.command.resolve_command(ctx, rest)
        path.append(name)
        ctx = command.make_context(name, rest, parent=ctx)
        rest = [*ctx._protected_args, *ctx.args] if hasattr(command, "list_commands") else []
    return " ".join(path)


@pytest.mark.parametrize("command", VISIBLE)
def test_examples_come_first_and_are_what_the_program_takes(command: str) -> None:
    examples = VISIBLE[command].examples
    assert examples, "give its docstring a paragraph `Examples:` of command lines"
    for example in examples:
        assert len(example) <= WIDEST, "too long for a terminal"
        meant = [words for words in parts(example) if parse(words) == command]
        assert meant or f"luactl {command}" in example, f"it is an example of something else: {example}"
    shown = luactl(*command.split(), "--help").out
    block = "Examples:\n" + "".join(f"  {example}\n" for example in examples)
    assert block in shown
    after = [shown.find(f"\n{title}:\n") for title in ("Arguments", "Options", "General options")]
    assert shown.index(block) < min(at for at in after if at >= 0)


def test_the_words_of_an_example_are_found() -> None:
    assert list(parts("luactl a -o json | jq .x")) == [["a", "-o", "json"]]
    assert list(parts("luactl b 'c d' < in > out")) == [["b", "c d"]]
    assert list(parts("jq . | luactl e --f=g")) == [["e", "--f=g"]]


@pytest.mark.parametrize(
    "words", [["tenant", "shwo", "smile"], ["tenant", "show"], ["tenant", "list", "--lmit"]]
)
def test_a_wrong_example_does_not_parse(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"no such|missing|No such|Missing"):
        parse(words)


@pytest.mark.parametrize("noun", NOUNS)
def test_lists_of_verbs_are_not_cut(noun: str) -> None:
    told = " ".join(luactl(noun, "--help").out.split())
    for command, verb in VISIBLE.items():
        if command.split()[:-1] == [noun]:
            assert f"{command.split()[-1]} {' '.join((verb.help or '').splitlines()[0].split())}" in told


def test_examples_stand_in_the_manual() -> None:
    manual = pages()
    for command, verb in VISIBLE.items():
        page = manual[f"luactl-{command.split()[0]}.1"].splitlines()
        assert {escape(example) for example in verb.examples} <= set(page)
