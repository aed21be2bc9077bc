"""Who runs the code that somebody puts somewhere, by writing, reading, calling, naming; what it reaches then.

What others do is taken from what they may do at once or after SET ROLE. Code that a login runs can do all
that the login can; within a definer function, and for rows that follow another table's, it has the owner's
rights and what these can grant, for there SET ROLE is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from .acting import PROGRAM, WRITES, Rows
from .catalog import Key, Right, Thing
from .graph import Path
from .planting import CREATE, EXECUTE, OWNER, Places, Planting
from .way import PLANTED, Best, Way, Ways

CODE: Right = (0, "CODE")
"""What is told of a role that runs somebody's code."""
CHANGES = frozenset({*WRITES, "TRUNCATE"})
Place = tuple[Key, Right]
Run = tuple[bool, str, Place]
"""Whether somebody else has to act, what has to happen, and where the code lies."""
AS_QUEUED = 180000
"""The first version in which a trigger runs as whoever set it off, not as whoever the transaction ends as."""


@dataclass(frozen=True, order=True)
class Actor:
    """Somebody as whom code runs."""

    role: int
    is_login: bool
    """Whether with all that a login can do; else only with the rights of the role."""


@dataclass(frozen=True)
class Planted:
    """How somebody comes to have its code run as somebody else."""

    actor: Actor
    first: Way
    """What lets the first code be put where it is."""
    path: Path
    """Whose roles it leads over, from the login to whoever runs it."""
    story: str
    """Where the code lies, and what runs it."""
    waits: bool
    """Whether somebody else has to do something."""


class Running:
    """Who runs whose code, over one catalog."""

    def __init__(self, ways: Ways) -> None:
        self.ways, self.catalog, self.planting = ways, ways.catalog, Planting(ways.catalog)
        self._places: dict[Actor, Places] = {}
        self._within: dict[int, Ways] = {}
        self._of: dict[int, tuple[Planted, ...]] = {}
        self._run: dict[frozenset[Place], dict[Actor, list[Run]]] = {}
        self._put: dict[Actor, frozenset[Place]] = {}

    def of(self, login: int) -> tuple[Planted, ...]:
        """Return everybody who may come to run a login's code, nearest first, each once; not itself."""
        if login not in self._of:
            self._of[login] = tuple(self._spread(Actor(login, True)))
        return self._of[login]

    def reaching(self, keys: frozenset[Key], best: Mapping[int, Best]) -> dict[int, Best]:
        """Return what logins reach of some objects only by code that others run.

        `best`: what each login reaches of them by itself.
        """
        return {login: self._beyond(login, keys, best) for login in best}

    def roles(self, login: int) -> Best:
        """Return as whom a login's code may run, as rights on roles."""
        found: Best = {}
        for one in self.of(login):
            at: tuple[Key, Right] = (("role", one.actor.role), CODE)
            found.setdefault(at, self._way(one, *at, one.path, ""))
        return found

    def _beyond(self, login: int, keys: frozenset[Key], best: Mapping[int, Best]) -> Best:
        roles = self.roles(login).items()
        found: Best = {at: way for at, way in roles if at[0] in keys}
        for one in self.of(login):
            for at, way in self._reached(one.actor, keys, best).items():
                if _adds(way, best[login].get(at)) and _adds(way, found.get(at)):
                    found[at] = self._way(one, *at, one.path + way.path[1:], way.rows)
        return found

    def _reached(self, actor: Actor, keys: frozenset[Key], best: Mapping[int, Best]) -> Best:
        if actor.is_login:
            return best[actor.role]
        return self._of_role(actor.role).of(actor.role, keys)

    def _of_role(self, role: int) -> Ways:
        """Return the ways of code that has only a role's rights: SET ROLE is refused to it."""
        if role not in self._within:
            graph = self.catalog.graph
            hops = tuple(replace(hop, sets=False) for hop in graph.hops.get(role, ()))
            alone = replace(graph, hops={**graph.hops, role: hops})
            self._within[role] = Ways(replace(self.catalog, graph=alone))
        return self._within[role]

    def _way(self, one: Planted, key: Key, right: Right, path: Path, rows: Rows) -> Way:
        return Way(key, right, PLANTED, path, one.story, rows, planted=one.first)

    def _spread(self, start: Actor) -> Iterator[Planted]:
        """Yield who runs the code, then who runs what that puts elsewhere, and so on; superusers last.

        They may do anything anywhere, so that all code may come to be theirs: others tell more.
        """
        seen = {start, Actor(start.role, False)}
        edge = list(self._steps(start, None, seen))
        supers: list[Planted] = []
        while edge:
            further: list[Planted] = []
            for one in sorted(edge, key=self._order):
                if one.actor not in seen:
                    seen |= {one.actor, Actor(one.actor.role, False)}
                    if self.catalog.graph.roles[one.actor.role].is_superuser:
                        supers.append(one)
                    else:
                        yield one
                        further += self._steps(one.actor, one, seen)
            edge = further
        yield from supers

    def _order(self, one: Planted) -> tuple[object, ...]:
        role = self.catalog.graph.roles[one.actor.role]
        return one.waits, not one.actor.is_login, len(one.path), role.name, one.story

    def _steps(self, actor: Actor, before: Planted | None, seen: set[Actor]) -> Iterator[Planted]:
        places = self.places(actor)
        if actor not in self._put:
            self._put[actor] = frozenset(places)
        run = self._run_by(self._put[actor])
        for runner in run.keys() - seen:
            waits, story, place = min(run[runner], key=lambda one: (one[0], places[one[2]].cost, one[1]))
            way = places[place]
            first, path = before.first if before else way, before.path if before else way.path[:1]
            told = f"{before.story}; then {story}" if before else story
            by_others = waits or bool(before and before.waits)
            yield Planted(runner, first, (*path, *way.path[1:], runner.role), told, by_others)

    def _run_by(self, places: frozenset[Place]) -> dict[Actor, list[Run]]:
        """Return who runs what is put in some places; of places that the same people hold one is enough."""
        if places not in self._run:
            found: dict[Actor, dict[object, Run]] = {}
            for place in places:
                key, right = place
                granted = self.catalog.granted.get(key, {}).items()
                holders = right, self.catalog.things[key].owner, frozenset(
                    role for role, rights in granted if right in rights
                )  # fmt: skip
                for runner, story, waits in self._runners(place):
                    some = found.setdefault(runner, {})
                    one = waits, story, place
                    some[holders] = min(some.get(holders, one), one)
            self._run[places] = {runner: list(some.values()) for runner, some in found.items()}
        return self._run[places]

    def places(self, actor: Actor) -> Places:
        """Return where somebody can put code."""
        if actor not in self._places:
            ways = self.ways if actor.is_login else self._of_role(actor.role)
            self._places[actor] = self.planting.of(ways, actor.role)
        return self._places[actor]

    def _runners(self, place: Place) -> Iterator[tuple[Actor, str, bool]]:
        """Yield who runs what is put in a place, what has to happen, and whether somebody else does it."""
        key, right = place
        thing = self.catalog.things[key]
        if right == EXECUTE:
            yield Actor(thing.owner, False), f"a name in function {thing.name}", False
        elif right == CREATE:
            yield from self._namers(thing)
        elif thing.key[0] == "function":
            yield from self._callers(thing)
        else:
            yield from self._writers(thing, reads_too=right == OWNER)

    def _namers(self, thing: Thing) -> Iterator[tuple[Actor, str, bool]]:
        for login in self._logins:
            name = self.catalog.graph.roles[login].name
            if thing.kind == "database" and self.planting.lacks_own(login):
                yield Actor(login, True), f"a schema named {name}, if {name} searches it", True
            elif thing.key in self.planting.searched_by(login) and self.does(thing.key, login, ("USAGE",)):
                yield Actor(login, True), f"a name in schema {thing.name}, if {name} searches it", True

    def _callers(self, function: Thing) -> Iterator[tuple[Actor, str, bool]]:
        for login in self._logins:
            if self.does(function.key, login, ("EXECUTE",)):
                name = self.catalog.graph.roles[login].name
                yield Actor(login, True), f"function {function.name}, if {name} calls it", True
        for relation in self.catalog.code.triggers.get(function.key, ()):
            told = f"function {function.name}, a trigger on {self.catalog.things[relation].name}"
            yield from self._set_off(relation, CHANGES, told)

    def _writers(self, relation: Thing, *, reads_too: bool) -> Iterator[tuple[Actor, str, bool]]:
        told = f"{relation.name} itself" if reads_too else f"a trigger on {relation.name}"
        yield from self._set_off(relation.key, CHANGES, told)
        if reads_too:
            for login in self._logins:
                unbound = relation.kind != "view" and self.catalog.graph.roles[login].bypasses_rows
                if not unbound and self.does(relation.key, login, ("SELECT",)):
                    name = self.catalog.graph.roles[login].name
                    yield Actor(login, True), f"{told}, if {name} reads it", True

    def _set_off(self, relation: Key, verbs: Iterable[str], told: str) -> Iterator[tuple[Actor, str, bool]]:
        """Yield who runs a trigger on a relation: who writes, and as whom functions and tables do."""
        wanted, roles, owner = frozenset(verbs), self.catalog.graph.roles, self.catalog.things[relation].owner
        for login in self._logins:
            if self.does(relation, login, wanted):
                yield Actor(login, True), f"{told}, if {roles[login].name} writes", True
        for function, verb in self._functions.get(relation, ()):
            if verb in wanted:
                thing = self.catalog.things[function]
                yield Actor(thing.owner, False), f"{told}, if function {thing.name} is called", True
        for parent, verb in self._above(relation):
            follows = f"{told}, if rows of {self.catalog.things[parent].name} change"
            yield Actor(owner, False), follows, True
            for login in self._logins if self.catalog.graph.version < AS_QUEUED else ():
                if self.does(parent, login, (verb,)):
                    yield Actor(login, True), f"{follows} by {roles[login].name}", True

    def _above(self, relation: Key) -> set[tuple[Key, str]]:
        """Return the tables whose rows those of a relation follow, however far, and what makes them."""
        found: set[tuple[Key, str]] = set()
        queue = [relation]
        while queue:
            more = set(self.catalog.code.cascades.get(queue.pop(), ())) - found
            found |= more
            queue += [parent for parent, _verb in more]
        return found

    @cached_property
    def _logins(self) -> tuple[int, ...]:
        return tuple(one.oid for one in self.catalog.graph.roles.values() if one.logs_in)

    @cached_property
    def _functions(self) -> dict[Key, set[tuple[Key, str]]]:
        """Definer functions by the relations that they write, and how."""
        found: dict[Key, set[tuple[Key, str]]] = {}
        for function in self.catalog.definers:
            if function in self.catalog.things:
                for door in self.ways.behind(function):
                    found.setdefault(door.relation, set()).add((function, door.right[1]))
        return found

    def does(self, key: Key, login: int, verbs: Iterable[str]) -> bool:
        """Whether a login may do something, at once or after SET ROLE, where anybody can put code."""
        return not self._done.get((key, login), frozenset[str]()).isdisjoint(verbs)

    @cached_property
    def _done(self) -> dict[tuple[Key, int], frozenset[str]]:
        """What each login may do where anybody can put code: at once or after SET ROLE."""
        wanted = frozenset(self._wanted())
        found: dict[tuple[Key, int], set[str]] = {}
        later = self.catalog.graph.version < AS_QUEUED
        for login in self._logins if wanted else ():
            for way in self.ways.plain(login, wanted, {}):
                within = way.through is not None and way.through[0] == "function" and not later
                refused = way.right[1] == "INSERT" and way.rows == "none"
                if not within and not refused and way.via not in ("REPLICATION", PROGRAM):
                    found.setdefault((way.key, login), set()).add(way.right[1])
        return {at: frozenset(verbs) for at, verbs in found.items()}

    def _wanted(self) -> Iterator[Key]:
        """Yield where code can be put by anybody, and what is written on the way to it."""
        things, code = self.catalog.things, self.catalog.code
        owners = {things[key].owner for key in (*self.catalog.definers, *code.cascades) if key in things}
        actors = [Actor(login, True) for login in self._logins] + [Actor(role, False) for role in owners]
        for actor in actors:
            for key, _right in self.places(actor):
                for one in (key, *code.triggers.get(key, ())):
                    yield one
                    yield from (parent for parent, _verb in self._above(one))


def _adds(way: Way, known: Way | None) -> bool:
    """Whether a way leads further than what is known: to anything at all, or to more rows."""
    ranks = ("none", "policy", "", "all")
    return known is None or ranks.index(way.rows) > ranks.index(known.rows)
