"""Who reaches an object, and what a login reaches: each with the shortest way, and what would cut it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ..db import Session
from ..errors import NotFoundError, UsageError
from .catalog import RELATIONS, Catalog, Key, Right, Thing, load
from .cut import Cut, cut
from .graph import Role
from .way import How, Way, Ways

Through = Literal["relation", "function", "schema", "database"]
NOT_LISTED = ("function", "type", "language")
"""Kinds that a login's list leaves out where it has them as everybody has: they reach no data by themselves."""


@dataclass(frozen=True)
class Access:
    """What one login may do with one object in one way, the shortest there is."""

    login: str
    kind: str
    object: str
    """As it stands in a statement; a column with its table."""
    rights: str
    """Privileges, in alphabetical order."""
    how: How
    """At once, only after SET ROLE, or only after it granted something to itself."""
    via: str
    """grant, PUBLIC, owner, superuser, a predefined role, or the view, copy or function that it leads through."""
    rows: str
    """all, those of a policy, none; empty where there are no rows."""
    path: str
    """The roles on the way, from the login on."""
    cut: str
    """The statements that cut this way; there may be others."""


@dataclass(frozen=True)
class Loss:
    """What a cut would take from somebody, besides what it is meant for."""

    login: str
    object: str
    rights: str
    still: str
    """How it is reached afterwards all the same; empty when it is not."""


@dataclass(frozen=True)
class Explanation:
    """One cut, and what it breaks."""

    cut: tuple[str, ...]
    foreseen: bool
    """False for what cannot be foreseen from the catalog: another owner, an attribute."""
    ends: bool
    """Whether the login reaches the object no more by these rights; False where another way is left."""
    losses: tuple[Loss, ...]


def find(catalog: Catalog, name: str) -> Thing:
    """Return an object by its name, `schema.name`, or `kind:name` for what is no relation.

    Raises NotFoundError for what is not there, UsageError for a name of several.
    """
    kind, colon, rest = name.partition(":")
    fits = [
        one for one in catalog.things.values()
        if (one.name == name and one.kind in RELATIONS)
        or one.name.split("(")[0] == (rest if colon else name) and one.kind.endswith(kind if colon else "function")
        or (colon and one.name == rest and one.kind.endswith(kind))
    ]  # fmt: skip
    if not fits:
        close = get_close_matches(name, [one.name for one in catalog.things.values()], 1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise NotFoundError(
            f"there is no object {name!r}",
            hint=f"{meant}say schema.name, schema:name, database:name or sequence and so on before a colon",
        )
    if len(fits) > 1:
        raise UsageError(
            f"{name!r} is {len(fits)} objects", hint="say which: " + ", ".join(one.name for one in fits)
        )
    return fits[0]


def _logins(catalog: Catalog) -> list[Role]:
    return sorted((one for one in catalog.graph.roles.values() if one.logs_in), key=lambda one: one.name)


def who(session: Session, name: str) -> tuple[Access, ...]:
    """Return every login that reaches an object, its columns and what is read through others, easiest first.

    Raises NotFoundError and UsageError as `find` does.
    """
    catalog = load(session)
    ways, key = Ways(catalog), find(catalog, name).key
    found = [row for login in _logins(catalog) for row in _rows(catalog, login, ways.of(login.oid, {key}))]
    return tuple(sorted(found, key=lambda row: (row.login, row.object, row.how, row.rights)))


def what(session: Session, login: str) -> tuple[Access, ...]:
    """Return everything that a login reaches. Raises NotFoundError for a login that is not there."""
    catalog = load(session)
    role = next((one for one in _logins(catalog) if one.name == login), None)
    if role is None:
        raise NotFoundError(f"there is no login {login!r}", hint="`luactl access list` shows them")
    best = Ways(catalog).of(role.oid)
    told = {at: way for at, way in best.items() if _is_told(catalog.things[way.key], way)}
    return tuple(sorted(_rows(catalog, role, told), key=lambda row: (row.kind, row.object, row.rights)))


def _is_told(thing: Thing, way: Way) -> bool:
    return thing.kind not in NOT_LISTED or way.via not in ("PUBLIC", "superuser")


def _rows(catalog: Catalog, login: Role, best: Mapping[tuple[Key, Right], Way]) -> Iterator[Access]:
    for ways in _alike(best.values()):
        way = ways[0]
        yield Access(
            login.name,
            "column" if way.right[0] else catalog.things[way.key].kind,
            _name(catalog, way),
            ", ".join(sorted(one.right[1] for one in ways)),
            way.how,
            way.via,
            way.rows,
            " > ".join(catalog.graph.roles[role].name for role in way.path),
            "; ".join(cut(catalog, ways).statements),
        )


def _alike(ways: Iterable[Way]) -> list[list[Way]]:
    """Put together the rights on the same object that are reached in the same way."""
    found: dict[tuple[object, ...], list[Way]] = {}
    for way in ways:
        at = (way.key, way.right[0], way.effort, way.path, way.via, way.rows, way.through)
        found.setdefault(at, []).append(way)
    return list(found.values())


def _name(catalog: Catalog, way: Way) -> str:
    name, column = catalog.things[way.key].name, way.right[0]
    return f"{name}.{catalog.columns[way.key, column]}" if column else name


def explain(session: Session, name: str, login: str) -> tuple[Explanation, ...]:
    """Return what cutting each way of a login to an object would take from anybody, and whether that ends it.

    Raises NotFoundError and UsageError as `find` does.
    """
    catalog = load(session)
    key = find(catalog, name).key
    role = next((one for one in _logins(catalog) if one.name == login), None)
    if role is None:
        raise NotFoundError(f"there is no login {login!r}", hint="`luactl access list` shows them")
    ways = _alike(Ways(catalog).of(role.oid, {key}).values())
    return tuple(_explained(catalog, role, some) for some in ways)


def _explained(catalog: Catalog, role: Role, ways: list[Way]) -> Explanation:
    made = cut(catalog, ways)
    if made.after is None:
        return Explanation(made.statements, False, False, ())
    losses = tuple(_losses(catalog, made))
    meant = {(role.name, _name(catalog, way)) for way in ways}
    left = [loss for loss in losses if (loss.login, loss.object) in meant and loss.still]
    return Explanation(made.statements, True, not left, losses)


def _losses(catalog: Catalog, made: Cut) -> Iterator[Loss]:
    """Yield what anybody loses or reaches only by a longer way."""
    assert made.after is not None
    before, after = Ways(catalog), Ways(made.after)
    for login in _logins(catalog):
        old, new = before.of(login.oid), after.of(login.oid)
        worse = [way for at, way in old.items() if _is_worse(way, new.get(at))]
        for ways in _alike(worse):
            still = new.get((ways[0].key, ways[0].right))
            rights = ", ".join(sorted(way.right[1] for way in ways))
            yield Loss(login.name, _name(catalog, ways[0]), rights, _way(catalog, still) if still else "")


def _is_worse(old: Way, new: Way | None) -> bool:
    return (
        new is None
        or (old.rows != "none" and new.rows == "none")
        or old.path != new.path
        or old.via != new.via
    )


def _way(catalog: Catalog, way: Way) -> str:
    names = " > ".join(catalog.graph.roles[role].name for role in way.path)
    return f"{way.how}, {way.via}: {names}"
