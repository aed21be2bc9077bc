"""The desired state: a shipped default, and a TOML file of the house. Read and checked; knows no database."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...shipped import GROUPS
from ...staff.person import KINDS
from ..login.adopting import ATTRIBUTES

DEFAULT = "default.toml"


@dataclass(frozen=True)
class Rule:
    """What is said of a kind, a team or a person."""

    roles: frozenset[str]
    """Group roles: of a kind those that they may have at most, of a team or a person just those they have."""
    connection_limit: int | None = None
    """How many connections a login of theirs may have at most; None: nothing is said."""


@dataclass(frozen=True)
class Exempt:
    """A login that is right although no login of ours would be so."""

    is_nobodys: bool = False
    """Whether it may log in and be nobody's: backup, monitoring, a DBA."""
    attributes: frozenset[str] = frozenset()
    member_of: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Allowed:
    """Rights on one object that somebody has who is no group role, and that are right."""

    grantee: str
    object: str
    """As `access drift` writes it: `TABLE public.holidays`."""


@dataclass(frozen=True)
class Setting:
    """A setting that a role may have been given for good."""

    name: str
    """In lower case."""
    value: str | None = None
    """As the catalog has it; None: any."""
    login: str | None = None
    """Whose; PUBLIC: the database's, or every role's; None: anybody's and theirs."""


@dataclass(frozen=True)
class State:
    """What access should be."""

    kinds: Mapping[str, Rule]
    teams: Mapping[str, Rule] = field(default_factory=dict)
    persons: Mapping[str, Rule] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What a group role may be a member of."""
    logins: Mapping[str, Exempt] = field(default_factory=dict)
    grants: frozenset[Allowed] = frozenset()
    settings: frozenset[Setting] = frozenset()

    def stated(self, handle: str, teams: tuple[str, ...]) -> frozenset[str] | None:
        """Return the group roles that somebody must have, no more and no less; None: nothing is said."""
        rules = [self.teams[team] for team in teams if team in self.teams]
        rules += [self.persons[handle]] if handle in self.persons else []
        return frozenset().union(*(rule.roles for rule in rules)) if rules else None

    def allowed(self, handle: str, kind: str, teams: tuple[str, ...]) -> frozenset[str]:
        """Return the group roles that somebody may have."""
        stated = self.stated(handle, teams)
        return self.kinds[kind].roles if stated is None else stated

    def limit(self, handle: str, kind: str, teams: tuple[str, ...]) -> int | None:
        """Return how many connections a login of somebody may have: what is said nearest to them."""
        if handle in self.persons and self.persons[handle].connection_limit is not None:
            return self.persons[handle].connection_limit
        said = [self.teams[team].connection_limit for team in teams if team in self.teams]
        limits = [one for one in said if one is not None]
        return max(limits) if limits else self.kinds[kind].connection_limit

    def exempt(self, login: str) -> Exempt:
        """Return what is said of a login by name; nothing is the rule."""
        return self.logins.get(login, Exempt())

    def may_set(self, login: str, name: str, value: str | None) -> bool:
        """Tell whether a role may have been given a setting for good."""
        same = [one for one in self.settings if one.name == name.lower() and one.login in (None, login)]
        return any(one.value in (None, value) for one in same)


def load_state(file: Path | None = None) -> State:
    """Return the shipped default, with a file of the house over it. Raises UsageError."""
    text = files(__package__).joinpath(DEFAULT).read_text(encoding="utf-8")
    default = _state(tomllib.loads(text), DEFAULT)
    if file is None:
        return default
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}", hint="--state names a TOML file in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file.name} is no TOML: {error}") from error
    house = _state(said, file.name)
    return replace(
        house,
        kinds={**default.kinds, **house.kinds},
        groups={**default.groups, **house.groups},
        settings=default.settings | house.settings,
    )


def _state(said: Mapping[str, Any], name: str) -> State:
    _known(said, ("kind", "team", "person", "group", "login", "grant", "setting"), name)
    kinds = _tables(said, "kind", name)
    for kind in kinds:
        if kind not in KINDS:
            raise _problem(name, f"there is no kind {kind[:40]!r}", f"one of {', '.join(KINDS)}")
    groups = _tables(said, "group", name)
    for group in groups:
        _role(group, name)
        _known(groups[group], ("member_of",), f"{name}: group.{group}")
    return State(
        {kind: _rule(table, f"{name}: kind.{kind}") for kind, table in kinds.items()},
        {one: _rule(table, f"{name}: team.{one}") for one, table in _tables(said, "team", name).items()},
        {one: _rule(table, f"{name}: person.{one}") for one, table in _tables(said, "person", name).items()},
        {one: _words(table, "member_of", f"{name}: group.{one}") for one, table in groups.items()},
        {one: _exempt(table, f"{name}: login.{one}") for one, table in _tables(said, "login", name).items()},
        _grants(said.get("grant", []), name),
        _settings(said.get("setting", []), name),
    )


def _rule(said: Mapping[str, Any], where: str) -> Rule:
    _known(said, ("roles", "connection_limit"), where)
    if "roles" not in said:
        raise _problem(where, "roles are missing", 'such as roles = ["lua_operator"], or [] for none')
    limit = said.get("connection_limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < -1):
        raise _problem(where, "connection_limit is no number of connections", "-1: no limit")
    return Rule(
        frozenset(_role(one, where) for one in _words(said, "roles", where)), None if limit == -1 else limit
    )


def _exempt(said: Mapping[str, Any], where: str) -> Exempt:
    _known(said, ("nobodys", "attributes", "member_of"), where)
    nobodys, attributes = said.get("nobodys", False), _words(said, "attributes", where)
    if not isinstance(nobodys, bool):
        raise _problem(where, "nobodys is true or false", "true: it may log in and be nobody's")
    for one in attributes:
        if one not in ATTRIBUTES:
            raise _problem(where, f"there is no attribute {one[:40]!r}", f"one of {', '.join(ATTRIBUTES)}")
    return Exempt(nobodys, attributes, _words(said, "member_of", where))


def _grants(said: Any, name: str) -> frozenset[Allowed]:
    found = set()
    for row in said if isinstance(said, list) else [said]:
        if not isinstance(row, dict) or set(row) != {"grantee", "object"} or not _texts(list(row.values())):
            raise _problem(name, "a [[grant]] names grantee and object", "as `access drift` writes them")
        found.add(Allowed(row["grantee"], row["object"]))
    return frozenset(found)


def _settings(said: Any, name: str) -> frozenset[Setting]:
    found = set()
    for row in said if isinstance(said, list) else [said]:
        if not isinstance(row, dict) or "name" not in row or not _texts(list(row.values())):
            raise _problem(
                name, "a [[setting]] has a name, and says value and login as text", 'value = "30s"'
            )
        _known(row, ("name", "value", "login"), f"{name}: setting")
        found.add(Setting(row["name"].lower(), row.get("value"), row.get("login")))
    return frozenset(found)


def _tables(said: Mapping[str, Any], key: str, name: str) -> dict[str, dict[str, Any]]:
    tables = said.get(key, {})
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise _problem(name, f"{key} is no table of tables", f"such as [{key}.NAME]")
    return tables


def _words(said: Mapping[str, Any], key: str, where: str) -> frozenset[str]:
    words = said.get(key, [])
    if not isinstance(words, list) or not _texts(words):
        raise _problem(where, f"{key} is no list of names", f'such as {key} = ["…"]')
    return frozenset(words)


def _texts(values: list[Any]) -> bool:
    return all(isinstance(one, str) and one for one in values)


def _role(name: str, where: str) -> str:
    if name not in GROUPS:
        raise _problem(where, f"there is no group role {name[:63]!r}", f"one of {', '.join(GROUPS)}")
    return name


def _known(said: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in said:
        if key not in keys:
            raise _problem(where, f"unknown setting {key[:63]!r}", f"known: {', '.join(keys)}")


def _problem(where: str, what: str, hint: str) -> UsageError:
    return UsageError(f"{where}: {what}", hint=hint)
