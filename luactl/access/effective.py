"""Who reaches an object, and what a login reaches: each with the shortest way, and what would cut it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from ..db import Session, transaction
from ..errors import NotFoundError, UsageError, did_you_mean
from .about import About, about
from .catalog import HARMLESS, PUBLIC, RELATIONS, Catalog, Key, Right, Thing, read
from .cut import cut, resets
from .graph import Role
from .running import Running
from .standing import standing
from .way import Best, How, Way, Ways


@dataclass(frozen=True)
class Access:
    """What one login may do with one object in one way, the shortest there is."""

    login: str
    kind: str
    object: str
    """As it stands in a statement; columns that were granted by themselves in parentheses after it."""
    rights: str
    """Privileges, in alphabetical order."""
    how: How
    """At once, only after SET ROLE, after it granted something to itself, or after it put code somewhere."""
    via: str
    """grant, PUBLIC, owner, superuser, membership, attribute, REPLICATION, user mapping, setting, a
    predefined role, the view, copy, rule or function on the way, or where code is put and who runs it."""
    rows: str
    """all, those of a policy, none; empty where there are no rows."""
    path: str
    """The roles on the way, from the login on."""
    cut: str
    """The statements that cut this way; there may be others."""
    enters: str
    """The rules of pg_hba.conf that decide whether and from where it gets in; `no: why`; `unknown: why`."""
    last_seen: datetime | None
    """When the ledger or the logs last saw the login; None: unknown."""
    person: str = ""
    """The handle of the person or job in force whose login it is; empty: nobody's."""
    opens: str = ""
    """What could be opened of sealed columns that are read, by key class, and how; empty where none is."""
    asked: str = ""
    """How `who` is asked about the object: `schema.name`, or `kind:name`; empty for what is none."""


@dataclass(frozen=True)
class Loss:
    """What one cut takes from somebody, or makes them reach in another way."""

    cut: str
    """The statements."""
    login: str
    object: str
    rights: str
    still: str
    """How it is reached all the same; empty when no more; `unknown` where the catalog does not tell."""


UNKNOWN = "unknown: another owner or attribute changes more than grants"


def find(catalog: Catalog, name: str) -> Thing:
    """Return an object by its name, `schema.name`, or `kind:name` for what is no relation.

    Raises NotFoundError for what is not there, UsageError for a name of several.
    """
    kind, colon, rest = name.partition(":")
    wanted = rest if colon else name
    fits = [
        one
        for one in catalog.things.values()
        if wanted in (one.name, one.name.split("(")[0])
        and (one.kind.endswith(kind) if colon else one.kind in RELATIONS or one.key[0] == "function")
    ]
    if not fits:
        meant = did_you_mean(name, [asked(one) for one in catalog.things.values()], 1)
        raise NotFoundError(
            f"there is no object {name!r}",
            hint=f"{meant}a relation is schema.name, anything else kind:name, as in schema:crm",
        )
    if len(fits) > 1:
        raise UsageError(
            f"{name!r} is {len(fits)} objects", hint="say which: " + ", ".join(one.name for one in fits)
        )
    return fits[0]


def asked(thing: Thing) -> str:
    """Return how an object is asked for."""
    plain = thing.kind in RELATIONS or thing.key[0] == "function"
    return thing.name if plain else f"{thing.kind}:{thing.name}"


def _logins(catalog: Catalog) -> list[Role]:
    return sorted((one for one in catalog.graph.roles.values() if one.logs_in), key=lambda one: one.name)


def _those(catalog: Catalog, people: Mapping[str, str], name: str) -> list[Role]:
    """Return a login by its name, or all logins of a person by their handle."""
    logins = _logins(catalog)
    found = [one for one in logins if one.name == name] or [
        one for one in logins if people.get(one.name) == name
    ]
    if not found:
        raise NotFoundError(
            f"there is no login {name!r}, and nobody of that handle has one",
            hint="`luactl access list` shows logins, `luactl staff list` people",
        )
    return found


def state(session: Session) -> tuple[Catalog, About]:
    """Read who may do what, and what is to be said of logins, at one moment."""
    with transaction(session, snapshot=True) as conn:
        catalog = read(conn)
        return catalog, about(conn, session, catalog)


def who(session: Session, name: str) -> tuple[Access, ...]:
    """Return every login that reaches an object, its columns and what is read through others, easiest first.

    What a login reaches only by code that it puts where others run it comes on top, as lines of their own.

    Raises NotFoundError and UsageError as `find` does.
    """
    catalog, known = state(session)
    ways, keys, logins = Ways(catalog), _asked_for(catalog, find(catalog, name)), _logins(catalog)
    best = {login.oid: _best(ways, login, keys) for login in logins}
    more = Running(ways).reaching(keys, best)
    found = [
        row for login in logins
        for some in (best[login.oid], more[login.oid])
        for row in _rows(catalog, login, some, known)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda row: (row.login, row.object, row.how, row.rights)))


def _asked_for(catalog: Catalog, thing: Thing) -> frozenset[Key]:
    """Return an object, and of a schema also what is to come in it."""
    if thing.kind != "schema":
        return frozenset({thing.key})
    come = (one for one in catalog.things.values() if one.kind == "default privilege")
    return frozenset({thing.key, *(one.key for one in come if one.schema in (None, thing.key))})


def _best(ways: Ways, login: Role, keys: frozenset[Key] | None = None) -> Best:
    """Return the shortest ways to objects, roles and attributes."""
    best = ways.of(login.oid, keys)
    plain = keys is not None and all(key[0] not in ("role", "attribute") for key in keys)
    return best if plain else best | standing(ways.catalog, login.oid, keys)


def what(session: Session, name: str) -> tuple[Access, ...]:
    """Return everything that a login reaches, or a person by their handle with all of their logins.

    Of others who may come to run its code it tells who (CODE on their role); what they reach is theirs.

    Raises NotFoundError for who is not there.
    """
    catalog, known = state(session)
    ways, rows = Ways(catalog), list[Access]()
    running = Running(ways)
    for role in _those(catalog, known.people, name):
        best = _best(ways, role) | running.roles(role.oid)
        told = {at: way for at, way in best.items() if _is_told(catalog, way)}
        rows += [*_rows(catalog, role, told, known), *_settings(role, known), *_keys(role, known)]
    return tuple(sorted(rows, key=lambda row: (row.login, row.kind, row.object, row.rights)))


def _settings(login: Role, known: About) -> Iterator[Access]:
    """Yield what is set as a login comes in: by name, for a value may be secret."""
    for one in known.entered[login.oid].settings:
        cut = "; ".join(resets(login.name, one))
        yield _beside(login, known, "setting", ", ".join(one.names), "set at login", "setting", cut)


def _keys(login: Role, known: About) -> Iterator[Access]:
    """Yield keys that were released to a login."""
    for one in (known.released or {}).get(login.name, ()):
        names, cut = (
            f"{one.tenant} ({', '.join(sorted(one.classes))})",
            f"luactl key release revoke {one.release_id}",
        )
        yield _beside(login, known, "released keys", names, "opens", f"release {one.release_id}", cut)


def _beside(login: Role, known: About, kind: str, object_: str, rights: str, via: str, cut: str) -> Access:
    entered = known.entered[login.oid]
    return Access(
        login.name, kind, object_, rights, "now", via, "", login.name, cut, entered.enters, entered.last_seen,
        known.people.get(login.name, ""),
    )  # fmt: skip


def _is_told(catalog: Catalog, way: Way) -> bool:
    """Leave out what everybody has, or who may do everything, and what reaches no data by itself."""
    kind = catalog.things[way.key].kind
    return way.via not in ("PUBLIC", "superuser") or kind not in HARMLESS


def _rows(
    catalog: Catalog, login: Role, best: Mapping[tuple[Key, Right], Way], known: About
) -> Iterator[Access]:
    entered = known.entered[login.oid]
    for ways in _alike(best):
        way = ways[0]
        yield Access(
            login.name,
            catalog.things[way.key].kind,
            _name(catalog, ways),
            _rights(ways),
            way.how,
            way.via,
            way.rows,
            _path(catalog, way),
            "; ".join(cut(catalog, ways).statements),
            entered.enters,
            entered.last_seen,
            known.people.get(login.name, ""),
            known.opens(login.name, ways),
            asked(catalog.things[way.key]),
        )


def _alike(best: Mapping[tuple[Key, Right], Way]) -> list[list[Way]]:
    """Put together what is reached in the same way; columns only where the whole is not reached as easily."""
    alike: dict[tuple[Key, str, tuple[object, ...]], list[Way]] = {}
    for (key, (column, name)), way in best.items():
        whole = best.get((key, (0, name))) if column else None
        if whole is None or way.cost < whole.cost:
            how: tuple[object, ...] = (bool(column), way.effort, way.path, way.via, way.rows, way.through)
            alike.setdefault((key, name, how), []).append(way)
    found: dict[tuple[object, ...], list[Way]] = {}
    for (key, _privilege, same), ways in alike.items():
        numbers = tuple(sorted(way.right[0] for way in ways))
        found.setdefault((key, same, numbers), []).extend(ways)
    return list(found.values())


def _name(catalog: Catalog, ways: Iterable[Way]) -> str:
    some = list(ways)
    name = catalog.things[some[0].key].name
    columns = sorted({catalog.columns[way.key, way.right[0]] for way in some if way.right[0]})
    return f"{name} ({', '.join(columns)})" if columns else name


def _rights(ways: Iterable[Way]) -> str:
    return ", ".join(sorted({way.right[1] for way in ways}))


def _path(catalog: Catalog, way: Way) -> str:
    return " > ".join(catalog.graph.roles[role].name for role in way.path)


def explain(session: Session, name: str, login: str) -> tuple[Loss, ...]:
    """Return what cutting each way of a login, or a person's, to an object takes from anybody, theirs first.

    Raises NotFoundError and UsageError as `find` does.
    """
    catalog, known = state(session)
    some = _those(catalog, known.people, login)
    now, keys = Ways(catalog), _asked_for(catalog, find(catalog, name))
    running = Running(now)
    roles = {one for one in keys if one[0] in ("role", "attribute")}
    was = cache(lambda one: now.of(one.oid) | standing(catalog, one.oid, roles))
    found: dict[str, list[Loss]] = {}
    for role, ways in [(one, ways) for one in some for ways in _cuttable(now, running, one, keys)]:
        made = cut(catalog, ways)
        text = "; ".join(made.statements)
        if made.after is None:
            found[text] = [Loss(text, role.name, _name(catalog, ways), _rights(ways), UNKNOWN)]
        elif text not in found:
            losses = [*_losses(text, catalog, was, made.after, roles), *_unplanted(text, running, made.after)]
            names = {one.name for one in some}
            found[text] = sorted(losses, key=lambda one: (one.login not in names, one.login, one.object))
    return tuple(loss for losses in found.values() for loss in losses)


def _losses(
    text: str, before: Catalog, was: Callable[[Role], Best], after: Catalog, roles: Collection[Key]
) -> Iterator[Loss]:
    is_ = Ways(after)
    for login in _concerned(before, after):
        old, new = was(login), is_.of(login.oid) | standing(after, login.oid, roles)
        gone = {at: way for at, way in old.items() if at not in new or not _is_same(way, new[at])}
        for ways in _alike(gone):
            still = new.get((ways[0].key, ways[0].right))
            told = _told(before, still) if still else ""
            yield Loss(text, login.name, _name(before, ways), _rights(ways), told)


def _cuttable(ways: Ways, running: Running, login: Role, keys: frozenset[Key]) -> Iterator[list[Way]]:
    """Yield the ways of a login that are to be cut, those by code that others run last."""
    yield from _alike(_best(ways, login, keys))
    best = {one.oid: _best(ways, one, keys) for one in _logins(ways.catalog)} if running.of(login.oid) else {}
    yield from _alike(running.reaching(keys, best).get(login.oid, {}))


def _unplanted(text: str, was: Running, after: Catalog) -> Iterator[Loss]:
    """Yield as whom code of logins runs no more, or in another way."""
    is_ = Running(Ways(after))
    for login in _logins(was.catalog):
        old, new = was.roles(login.oid), is_.roles(login.oid)
        for ways in _alike({at: way for at, way in old.items() if way.via != _via(new, at)}):
            still = new.get((ways[0].key, ways[0].right))
            told = _told(after, still) if still else ""
            yield Loss(text, login.name, _name(after, ways), _rights(ways), told)


def _via(best: Best, at: tuple[Key, Right]) -> str:
    return best[at].via if at in best else ""


def _concerned(before: Catalog, after: Catalog) -> list[Role]:
    """Return the logins whose ways a cut may change: those that lead over whoever it takes something from.

    All of them where it takes from everybody, or from whom views and definer functions act as; and up to 15,
    where CREATEROLE leads to roles without any membership.
    """
    robbed = {one.member for one in set(before.memberships).difference(after.memberships)}
    for key, grants in before.grants.items():
        if (left := after.grants[key]) is not grants:
            robbed.update(one.grantee for one in grants if one not in left)
    graph = before.graph
    over = {role for role in graph.roles if not robbed.isdisjoint(graph.member_of(role))}
    everybody = graph.is_old or PUBLIC in robbed or not over.isdisjoint(before.behind_doors)
    return [one for one in _logins(before) if everybody or one.oid in over]


def _is_same(old: Way, new: Way) -> bool:
    return (old.path, old.via, old.rows) == (new.path, new.via, new.rows)


def _told(catalog: Catalog, way: Way) -> str:
    return f"{way.how}, {way.via}: {_path(catalog, way)}"
