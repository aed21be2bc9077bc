"""The program: finds the noun, loads its group alone, and turns whatever happens into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.exceptions import TyperException

from luactl.errors import Exit, LuactlError, UsageError

from . import diagnostics
from .app import HouseGroup, MissingVerb, command_of
from .context import FORMATS, Settings, begin, settings
from .entry import obey_signals

ABOUT = "Admin and operations console of Lua CRM: keeps its data protection promises, and proves it."

# Each noun is the module of that name beside this one. The texts stand here too, so that
# `luactl --help` need not load every module; a test compares them with the groups' own.
NOUNS = {
    "init": "Make the database and keys of a profile, or adopt a server by its DSN.",
    "profile": "Profiles: which databases luactl knows, and which one it uses.",
    "db": "The database behind a profile: schema version, migration, URL, psql.",
    "doctor": "What is wrong with this installation, and how to mend it.",
    "embedded": "The Postgres server that init made: its state, start, stop and log.",
    "tenant": "Tenants: the companies whose data Lua CRM keeps.",
    "instruction": "What tenants instructed Lua CRM to do: record it, list it.",
    "crm": "Customers and invoices of a tenant: import and show.",
    "subject": "People whose data a tenant keeps: find one, show where their data lie.",
    "secret": "Credentials and API tokens of tenants: put, issue, list, rotate, revoke.",
    "staff": "People and jobs that work for Lua CRM: their logins, and what they signed.",
    "policy": "Internal policies and procedures: their versions, and who has acknowledged them.",
    "access": "Who can reach what, and how.",
    "log": "Who did what: search and follow the ledger's entries and the lines of servers.",
    "retention": "How long data are kept, and the purge of what is due.",
    "approval": "Four eyes: requests for approval, and the answers that others sign.",
    "hold": "Legal holds: what may not be erased or purged while a matter is pending.",
    "request": "Requests of data subjects (Art. 15–22 GDPR): what is asked, and by when it must be answered.",
    "erasure": "Erase people so that nobody can read them again.",
    "processor": "Companies that process for tenants in Lua CRM's place, and what they are told.",
    "restore": "After a restore: keys from the book, what was erased goes again, the log goes on.",
    "promise": "What the Data Protection page promises, and proof by trying to break it.",
    "key": "The key tree: state, rotation, recovery, holders, books, releases to persons.",
    "ledger": "The record of it all: its state, proofs and verification.",
    "verify": "Check a certificate folder offline, without a database.",
    "tui": "A tool to live in: tenants, people, erasures, retention, access and log in the terminal.",
    "version": "The version; with --all everything that a report of a fault needs.",
    "completion": "Completion for bash, zsh and fish.",
    "demo": "See luactl do its main job in a throw-away home.",
}

PIPE_CLOSED = 128 + 13  # what a shell reports for a program stopped by SIGPIPE


class Program(HouseGroup):
    """The root of the command tree, whose nouns are loaded when they are used."""

    with_version = True

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the nouns."""
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load the module of one noun and return its group; None for no such noun."""
        if cmd_name not in NOUNS:
            return None
        return command_of(import_module(f"{__package__}.{cmd_name}").app, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the nouns without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


def program() -> Program:
    """Return the whole command tree."""
    return Program(
        name="luactl",
        help=ABOUT,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _fail(problem: LuactlError) -> int:
    from .output import show_error

    if isinstance(problem, UsageError) and problem.hint is None:
        problem.hint = f"`{_path(settings())} --help` explains the options"
    diagnostics.error(problem.what, problem.hint)
    diagnostics.traceback(problem)
    show_error(problem)
    return int(problem.exit)


def _path(chosen: Settings) -> str:
    return f"luactl {chosen.command}".strip()


def _usage(problem: TyperException, chosen: Settings) -> UsageError:
    near = getattr(problem, "possibilities", None)
    what = getattr(problem, "message", "") if near else problem.format_message()
    hint = f"did you mean {' or '.join(sorted(near))}? " if near else ""
    text = " ".join(what.split()).rstrip(".")
    return UsageError(
        text[:1].lower() + text[1:], hint=f"{hint}`{_path(chosen)} --help` explains the options"
    )


def _missing_verb(problem: MissingVerb, chosen: Settings) -> int:
    from .output import show_error

    diagnostics.usage_help(problem.help)
    show_error(UsageError("a command is missing", hint=f"`{_path(chosen)} --help` lists them"))
    return int(Exit.USAGE)


def _guess_output(args: Sequence[str], chosen: Settings) -> None:
    """Find the output format in a command line that could not be parsed to its end."""
    for at, arg in enumerate(args):
        name, _, value = arg.partition("=")
        if arg in ("-o", "--output"):
            value = args[at + 1] if at + 1 < len(args) else ""
        elif name != "--output":
            value = arg[2:] if arg.startswith("-o") else ""
        if value in FORMATS:
            chosen.output = value


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code. Only an exit of the interpreter passes through."""
    chosen = begin()
    try:
        root = program()
        with root.make_context("luactl", list(args)) as ctx:
            root.invoke(ctx)
        return int(Exit.DONE)
    except (Exception, KeyboardInterrupt) as problem:
        return ended_by(problem, args, chosen)


def ended_by(problem: BaseException, args: Sequence[str], chosen: Settings) -> int:
    """Tell by what a run was ended, and return its exit code."""
    try:
        raise problem
    except typer.Exit as done:
        return int(done.exit_code)
    except MissingVerb as missing:
        return _missing_verb(missing, chosen)
    except (KeyboardInterrupt, typer.Abort):
        return int(diagnostics.interrupted())
    except BrokenPipeError:
        return _pipe_closed()
    except TyperException as usage:
        _guess_output(args, chosen)
        return _fail(_usage(usage, chosen))
    except Exception:
        if _is_interrupt(problem):
            return int(diagnostics.interrupted())
        if isinstance(problem, UsageError):
            _guess_output(args, chosen)
        from luactl.fault import explain

        return _fail(explain(problem))


def _is_interrupt(problem: BaseException | None) -> bool:
    """Tell whether an error only followed from Ctrl-C, which left a statement or a file half way."""
    while problem is not None and not isinstance(problem, KeyboardInterrupt):
        problem = problem.__cause__ or problem.__context__
    return problem is not None


def _pipe_closed() -> int:
    from .output import discard

    discard()
    return PIPE_CLOSED


def main() -> NoReturn:
    """Run the command line of this process."""
    obey_signals()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
