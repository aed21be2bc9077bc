"""`luactl completion`: completion for bash, zsh and fish.

The scripts ask `luactl completion words` what may come next; it walks the command tree, loading only the
nouns on the way, and asks the database for slugs, logins and ids alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .app import GENERAL_HELP, group
from .output import show_text
from .settings import FORMATS, settings

HELP = "Completion for bash, zsh and fish."
app = group(HELP)

BASH = """\
# luactl completion bash > ~/.local/share/bash-completion/completions/luactl
_luactl() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\\t'*}")
    done < <("$1" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _luactl luactl
"""
ZSH = """\
#compdef luactl
# luactl completion zsh > a folder of $fpath, as _luactl; or: source <(luactl completion zsh)
_luactl() {
    local line
    local -a found
    for line in "${(@f)$("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
    done
    if (( $#found )); then _describe luactl found; else _files; fi
}
if [[ $funcstack[1] == _luactl ]]; then _luactl "$@"; else compdef _luactl luactl; fi
"""
FISH = """\
# luactl completion fish > ~/.config/fish/completions/luactl.fish
function __luactl_words
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($before[1] completion words -- $before[2..-1] "$current" 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c luactl -f -a '(__luactl_words)'
"""
Candidate = tuple[str, str]
"""A word, and what it means."""


@app.command("bash")
def bash() -> None:
    """Print the completion script for bash.

    Examples:
        luactl completion bash > ~/.local/share/bash-completion/completions/luactl
    """
    show_text("script", BASH)


@app.command("zsh")
def zsh() -> None:
    """Print the completion script for zsh.

    Examples:
        luactl completion zsh > ~/.zsh/completions/_luactl
    """
    show_text("script", ZSH)


@app.command("fish")
def fish() -> None:
    """Print the completion script for fish.

    Examples:
        luactl completion fish > ~/.config/fish/completions/luactl.fish
    """
    show_text("script", FISH)


@app.command("words", hidden=True)
def words(
    typed: Annotated[
        list[str], typer.Argument(metavar="-- WORD...", help="What stands after `luactl` so far.")
    ] = [],  # noqa: B006
) -> None:
    """Print what may come next, one a line with its meaning; for the scripts of the other verbs."""
    lines = "".join(f"{word}\t{meaning}\n" for word, meaning in candidates(typed))
    if lines:
        show_text("words", lines)


def candidates(typed: list[str]) -> list[Candidate]:
    """Return what the last of the words may become; the last one may be empty."""
    *before, current = _joined(typed or [""])
    walk = _Walk()
    for word in before:
        if not walk.step(word):
            return []
    if walk.waiting is not None:
        found = walk.values(walk.waiting, current)
    elif current.startswith("--") and "=" in current:
        name, _, value = current.partition("=")
        found = [(f"{name}={word}", told) for word, told in walk.values(walk.option(name), value)]
    elif current.startswith("-"):
        found = list(walk.options())
    else:
        found = list(walk.below(current))
    return [(word, told) for word, told in found if word.startswith(current)]


def _joined(typed: list[str]) -> list[str]:
    """Undo what bash does to `--option=value`: it hands over three words, or two while there is no value."""
    words = [word for at, word in enumerate(typed) if word != "=" or at == len(typed) - 1]
    return [*words[:-1], "" if words[-1] == "=" else words[-1]] if words else [""]


class _Walk:
    """The way through the command tree that the words so far have taken."""

    def __init__(self) -> None:
        from .main import program

        self.command: Any = program()
        self.noun = ""
        self.position = 0
        self.waiting: Any = None
        """The option whose value comes next."""

    def step(self, word: str) -> bool:
        """Take one finished word; False when it leads nowhere."""
        if self.waiting is not None:
            self._take_value(word)
        elif word.startswith("-") and word != "-":
            name, equals, value = word.partition("=")
            option = self.option(name)
            if option is not None and not option.is_flag:
                self.waiting = option
                if equals:
                    self._take_value(value)
        elif hasattr(self.command, "list_commands"):
            self.noun = self.noun or word
            self.command = self.command.get_command(None, word)
        else:
            self.position += 1
        return self.command is not None

    def _take_value(self, value: str) -> None:
        if self.waiting.name == "profile":
            settings().profile = value
        self.waiting = None

    def option(self, name: str) -> Any:
        """Return the option of that name, general ones included; None for no such option."""
        params = [*self.command.params, *self.command.general]
        return next((one for one in params if name in one.opts and name.startswith("-")), None)

    def options(self) -> Iterator[Candidate]:
        """Yield the options of the command."""
        for param in self.command.params:
            if param.param_type_name == "option" and not param.hidden:
                yield (
                    next((name for name in param.opts if name.startswith("--")), param.opts[0]),
                    param.help or "",
                )
        for names, told in GENERAL_HELP:
            yield names.split(", ")[-1].split()[0], told

    def below(self, current: str) -> Iterator[Candidate]:
        """Yield verbs of a group, or values of the next argument."""
        if hasattr(self.command, "list_commands"):
            yield from self._commands()
            return
        arguments = [one for one in self.command.params if one.param_type_name == "argument"]
        repeated = arguments[-1:] if arguments and arguments[-1].nargs == -1 else []
        for argument in [*arguments[self.position :], *repeated][:1]:
            yield from self.values(argument, current)

    def _commands(self) -> Iterator[Candidate]:
        from .main import NOUNS, Program

        if isinstance(self.command, Program):
            yield from NOUNS.items()
            return
        for name in self.command.list_commands(None):
            verb = self.command.get_command(None, name)
            if not verb.hidden:
                yield name, (verb.help or "").partition("\n")[0]

    def values(self, param: Any, current: str) -> list[Candidate]:
        """Return the values that a parameter may have, as far as that is known at once."""
        if param is None:
            return []
        if param.name == "output":
            return [(one, "") for one in FORMATS]
        if param.name == "profile" or param.metavar == "PROFILE":
            return [(one, "profile") for one in _profiles()]
        if param.metavar in ("SLUG", "WHO", "LOGIN"):
            from luactl.completion import names

            kind, told = ("slugs", "tenant") if param.metavar == "SLUG" else ("logins", "login")
            return [(one, told) for one in names(kind, current, settings().profile)]  # type: ignore[arg-type]
        return self._ids(param, current) if param.metavar in ("ID", "[ID]...") else []

    def _ids(self, param: Any, current: str) -> list[Candidate]:
        """Return ids of what the parameter is about: the noun that it names, else the noun of the command."""
        from .main import NOUNS

        about = param.name.removesuffix("_id")
        about = about if about in NOUNS else self.noun
        if about == "promise":
            from luactl import promise

            return [(clause.id, clause.promise) for clause in promise.load().clauses]
        from luactl.completion import ids

        return [(one, about) for one in ids(about, current, settings().profile)]


def _profiles() -> list[str]:
    from luactl.config import find_paths, known_names, layers
    from luactl.errors import LuactlError

    try:
        return known_names(layers(find_paths()))
    except LuactlError:  # whoever runs a command hears of it; a completion offers nothing
        return []
