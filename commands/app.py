"""How every command group looks and parses: the house's settings for Typer.

Owns the general options (taken before the noun and after the verb alike), plain help, suggestions for
mistyped verbs, and the quick conversion of plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import typer
from typer._coercion import resolve_type_descriptor
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command, get_group
from typer.models import OptionInfo

from luactl.errors import UsageError, did_you_mean

from .context import FORMATS, settings

GENERAL_HELP = (
    ("--profile NAME", "The profile to use instead of the default one."),
    ("-o, --output FORMAT", f"How the result is printed: {', '.join(FORMATS)}."),
    ("-q, --quiet", "No notes and no progress."),
    ("--debug", "Show the traceback of an error."),
    ("-h, --help", "Show this help."),
)
VERSION_HELP = ("--version", "Print the version.")
EXAMPLES = "\nExamples:\n"


class MissingVerb(Exception):
    """A group was named without a verb; `help` is its help text."""

    def __init__(self, help: str) -> None:
        super().__init__(help)
        self.help = help


class GeneralOption(TyperOption):
    """An option that every command takes and none receives: its value goes to the run's settings."""

    def process_value(self, ctx: Any, value: Any) -> Any:
        """Keep a value that was given; nearer to the verb wins."""
        if value is None or ctx.resilient_parsing:
            return value
        if self.name == "version":
            print_version()
            raise typer.Exit
        if self.name == "output" and value not in FORMATS:
            raise UsageError(f"no such output format: {value}", hint=f"one of {', '.join(FORMATS)}")
        if self.name == "profile" and not value:
            raise UsageError("--profile names no profile", hint="name one, or leave the option out")
        setattr(settings(), self.name, value)
        return value


def print_version() -> None:
    """Print the installed version."""
    from importlib.metadata import version

    from .output import write

    write(f"luactl {version('luactl')}\n")


def _general(*names: str, flag: bool) -> GeneralOption:
    return GeneralOption(
        param_decls=list(names),
        type_descriptor=resolve_type_descriptor(bool if flag else str, OptionInfo()),
        is_flag=flag,
        default=None,
        expose_value=False,
        is_eager=True,
        hidden=True,
    )


def general_options(*, version: bool = False) -> list[GeneralOption]:
    """Return fresh general options for one command; `--version` only for the program itself."""
    return [
        *([_general("--version", flag=True)] if version else []),
        _general("--profile", flag=False),
        _general("--output", "-o", flag=False),
        _general("--quiet", "-q", flag=True),
        _general("--debug", flag=True),
    ]


class _House:
    """What groups and commands have in common: general options, and the name of what is run."""

    params: list[Any]

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the own parameters, the general options and `--help`."""
        *own, last = super().get_params(ctx)  # type: ignore[misc]
        return [*own, *self.general, last]

    def get_help_option(self, ctx: Any) -> Any:
        """Return Typer's `--help`; not given means False, which unlike None needs no conversion."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        option.default = False
        return option

    with_version = False
    """Whether `--version` is one of the general options."""

    @property
    def general(self) -> list[GeneralOption]:
        """The general options of this command, made at first need."""
        if "_general" not in self.__dict__:
            self.__dict__["_general"] = general_options(version=self.with_version)
        made: list[GeneralOption] = self.__dict__["_general"]
        return made

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Remember what is run before anything can go wrong, then parse."""
        if parent is not None:
            settings().command = f"{settings().command} {info_name}".strip()
        return super().make_context(info_name, args, parent, **extra)  # type: ignore[misc]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the own options, then the general ones."""
        rows = {"Arguments": [], "Options": []}  # type: dict[str, list[tuple[str, str]]]
        for param in self.params:
            record = param.get_help_record(ctx)
            if record is not None:
                rows["Arguments" if param.param_type_name == "argument" else "Options"].append(record)
        general = [*GENERAL_HELP, VERSION_HELP] if self.with_version else list(GENERAL_HELP)
        for title, records in (*rows.items(), ("General options", general)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class HouseCommand(_House, TyperCommand):
    """One verb.

    The docstring of its function is its help. What stands indented below a line `Examples:` there are
    command lines, shown as they are before any option.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from .plain import make_plain

        super().__init__(*args, **kwargs)
        told, _, below = (self.help or "").partition(EXAMPLES)
        self.help = told.rstrip()
        self.examples = tuple(line.strip() for line in below.splitlines() if line.strip())
        for param in self.params:
            make_plain(param)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, then the options."""
        if self.examples:
            with formatter.section("Examples"):
                indent = " " * formatter.current_indent
                formatter.write("".join(f"{indent}{line}\n" for line in self.examples))
        super().format_options(ctx, formatter)


class HouseGroup(_House, TyperGroup):
    """One noun (or the program itself)."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs, each with the whole first line of its help."""
        below: list[tuple[str, Any]] = [
            (name, self.get_command(ctx, name)) for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, (verb.help or "").partition("\n")[0]) for name, verb in below if not verb.hidden]
            )

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb. Raises UsageError with the nearest names when there is none."""
        name = args[0]
        found = self.get_command(ctx, name)
        if found is not None:
            return name, found, args[1:]
        if name.startswith("-"):
            raise UsageError(f"no such option: {name}", hint=f"`{ctx.command_path} --help` lists them")
        guess = did_you_mean(name, self.list_commands(ctx))
        raise UsageError(
            f"no such command: {ctx.command_path} {name}",
            hint=f"{guess}`{ctx.command_path} --help` lists them",
        )

    def invoke(self, ctx: Any) -> Any:
        """Run the verb. Raises MissingVerb when none was given."""
        if not ctx._protected_args:
            raise MissingVerb(ctx.get_help())
        return super().invoke(ctx)


class House(typer.Typer):
    """A Typer application whose commands are the house's."""

    lone = False
    """Whether the noun is a command itself, without verbs."""

    def command(self, name: str | None = None, **kwargs: Any) -> Callable[[Any], Any]:
        """Register a verb; the arguments are Typer's."""
        kwargs.setdefault("cls", HouseCommand)
        return super().command(name, **kwargs)


def group(help: str) -> House:
    """Return a group of verbs: `app = group("Tenants: …")`, then `@app.command("list")`."""
    return House(
        cls=HouseGroup,
        help=help,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        suggest_commands=False,
    )


def lone(help: str) -> House:
    """Return a noun without verbs (`luactl init`): register exactly one `@app.command("init")`."""
    made = group(help)
    made.lone = True
    return made


@cache
def command_of(app: House, noun: str) -> TyperCommand | TyperGroup:
    """Return what Typer makes of a noun's `app`, made once a process: it takes as long as a short command."""
    made: Any = get_command(app) if app.lone else get_group(app)
    made.name = noun
    return made  # type: ignore[no-any-return]
