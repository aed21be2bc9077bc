"""The shortest way of a login to each right on each object, over everything it can act as."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from .acting import PREDEFINED, PROGRAM, WRITES, Acting, Given, Held, Rows
from .catalog import PUBLIC, At, Catalog, Key, Right, Thing
from .doors import As, Door, doors, leading_to
from .graph import Graph, Path, State

How = Literal["now", "after SET ROLE", "after granting it to itself", "after planting code"]
HOWS: tuple[How, ...] = ("now", "after SET ROLE", "after granting it to itself", "after planting code")
GRANTED, PLANTED = 2, 3
"""The effort of whoever has to grant first, and of whoever has to put code where others run it."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one login comes to one right."""

    key: Key
    right: Right
    effort: int
    """An index of HOWS."""
    path: Path
    """The roles on the way, from the login on."""
    via: str
    """grant, PUBLIC, owner, superuser, a predefined role, the view, copy, rule or function on the way, or
    where code is put and what others do that runs it."""
    rows: Rows
    through: Key | None = None
    """The view, copy or function, or the relation whose rule it is,"""
    needs: str = ""
    """and the right on it that opens it."""
    planted: Way | None = None
    """What lets the code be put there."""

    @property
    def how(self) -> How:
        """What has to be done first."""
        return HOWS[self.effort]

    @property
    def cost(self) -> tuple[bool, int, bool, int, Path]:
        """What makes a way worse: no rows at its end, effort, a detour, length."""
        return self.rows == "none", self.effort, self.through is not None, len(self.path), self.path


Best = dict[At, Way]


@dataclass
class Ways:
    """The ways of logins, over one catalog."""

    catalog: Catalog
    _acting: dict[int, Acting] = field(default_factory=dict)
    _behind: dict[Key, tuple[Door, ...]] = field(default_factory=dict)
    _leading: dict[frozenset[Key], frozenset[Key]] = field(default_factory=dict)
    _coming: dict[frozenset[Key], set[int]] = field(default_factory=dict)

    def acting(self, role: int) -> Acting:
        """Return somebody who acts as a role, in the roles and grants as they are."""
        if role not in self._acting:
            self._acting[role] = Acting(self.catalog, self.catalog.graph, role)
        return self._acting[role]

    def of(
        self, login: int, keys: Iterable[Key] | None = None, without: Container[str] = ()
    ) -> dict[tuple[Key, Right], Way]:
        """Return the shortest way to every right on some objects, or on all that it comes near to.

        `without`: what a way may not lead over, by the names of `Way.via`.
        """
        best: Best = {}
        wanted = None if keys is None else frozenset(keys)
        if wanted is not None and login not in self._coming_to(wanted):
            return best
        for way in self.every(login, wanted, best):
            at = way.key, way.right
            known = best.get(at)
            if (known is None or way.cost < known.cost) and way.via not in without:
                best[at] = way
        return best

    def _coming_to(self, wanted: frozenset[Key]) -> set[int]:
        """Return who may come to some objects at all: over holders of a right, or by what needs none."""
        if wanted not in self._coming:
            catalog, roles = self.catalog, self.catalog.graph.roles.values()
            holders: set[int] = {one.oid for one in roles if one.is_superuser or one.replicates}
            holders |= {one.oid for one in roles if one.name in (PROGRAM, *PREDEFINED)}
            for key in wanted | self._toward(wanted):
                owner = catalog.things[key].owner
                holders |= {*catalog.granted.get(key, ()), *([owner] if owner != PUBLIC else [])}
                holders |= {catalog.mapped[key]} if key in catalog.mapped else set()
            coming = catalog.graph.roles if PUBLIC in holders else catalog.graph.leading_to(holders)
            self._coming[wanted] = set(coming)
        return self._coming[wanted]

    def every(
        self, login: int, wanted: frozenset[Key] | None = None, best: Best | None = None
    ) -> Iterator[Way]:
        """Yield every way of a login to every right; of those that `best` knows only what may be better."""
        best = {} if best is None else best
        yield from self.plain(login, wanted, best)
        for state, as_ in self.after_grants(login):
            yield from self._of_state(state, as_(state.role), as_, wanted, best)

    def plain(self, login: int, wanted: frozenset[Key] | None, best: Best) -> Iterator[Way]:
        """Yield the same without what takes a grant first."""
        for state in self.at_first(login):
            yield from self._of_state(state, self.acting(state.role), self.acting, wanted, best)

    def at_first(self, login: int) -> Iterator[State]:
        """Yield whom a login can act as before it grants anything, as far as that adds a right."""
        own, mapped = self.acting(login).uses, frozenset(self.catalog.mapped.values())
        for state in self.catalog.graph.states(login):
            me = self.catalog.graph.roles[state.role]
            is_more = me.bypasses_rows or me.is_superuser or me.replicates or me.oid in mapped
            if not state.effort or state.role not in own or is_more:
                yield state

    def after_grants(self, login: int) -> Iterator[tuple[State, As]]:
        """Yield whom it can act as once it granted all that it can, and who then acts as what.

        Nobody who can be a superuser without: that gets at everything sooner.
        """
        graph = self.catalog.graph
        if any(graph.roles[role].is_superuser for role in graph.becomes(login)):
            return
        later, before = graph.after_grants(login), graph.becomes(login)
        others = [role for role in later.becomes(login) if role != login and graph.roles[role].bypasses_rows]
        for target in (login, *others):
            world, favoured = later.enriched(login, target), frozenset({login, target})
            given = granted(self.catalog, world, login, favoured)
            if world is graph and not given:
                continue
            as_ = self._world(world, given, favoured)
            every = any(as_(owner) is not self.acting(owner) for owner in self.catalog.behind_doors)
            for role, path in world.becomes(login).items():
                if every or role not in before or as_(role) is not self.acting(role):
                    yield State(GRANTED, path), as_

    def _world(self, graph: Graph, given: Given, favoured: frozenset[int]) -> As:
        """Return who acts, once everything was granted to a login, or to one who sees all rows besides.

        Anybody else whom it can be gains no more by a grant than the login itself.
        """

        @cache
        def acting(role: int) -> Acting:
            if favoured.isdisjoint(self.catalog.graph.used_by(role)):
                return self.acting(role)
            return Acting(self.catalog, graph, role, given, favoured)

        return acting

    def _of_state(
        self, state: State, acting: Acting, as_: As, wanted: frozenset[Key] | None, best: Best
    ) -> Iterator[Way]:
        if acting.is_superuser:
            yield from self._everything(state, self.catalog.things if wanted is None else wanted)
            return
        direct = acting.direct if wanted is None else (one for key in wanted for one in acting.of(key))
        effort, path = state.effort, state.path
        before = len(path) - 1
        for at, held, rows in direct:
            known = best.get(at)
            if known and known.rows == rows and known.through is None:
                length = len(held.path) + (0 if held.from_login else before)
                if known.effort < effort or (known.effort == effort and len(known.path) <= length):
                    continue
            yield Way(*at, effort, joined(state, held), held.via, rows)
        yield from self._around(state, acting, as_, wanted)
        yield from self._beside(state, acting, wanted)

    def _beside(self, state: State, acting: Acting, wanted: frozenset[Key] | None) -> Iterator[Way]:
        """Yield what is reached without any right on it: as WAL that is copied, or as the server's files.

        A copy of all takes a login that may by itself; after SET ROLE changes can be decoded, if the server
        writes what that needs.
        """
        ways: list[tuple[Path, str, tuple[str, ...]]] = []
        if self.catalog.graph.roles[state.role].replicates and (not state.effort or self.catalog.decodes):
            ways.append((state.path, "REPLICATION", ("SELECT",)))
        if acting.programs:
            ways.append((state.path + acting.programs[1:], PROGRAM, ("SELECT", *WRITES)))
        kept = self.catalog.kept if ways else frozenset[Key]()
        for path, via, privileges in ways:
            for key in kept if wanted is None else kept & wanted:
                for privilege in privileges if key[0] == "relation" else ("READ",):
                    yield Way(key, (0, privilege), state.effort, path, via, "all")

    def _everything(self, state: State, keys: Iterable[Key]) -> Iterator[Way]:
        for key in keys:
            thing = self.catalog.things[key]
            acting = self.acting(state.role)
            for privilege in self.catalog.owned.get(thing.sort, ()):
                rows = acting.rows(thing, privilege)
                yield Way(key, (0, privilege), state.effort, state.path, "superuser", rows)

    def _around(self, state: State, acting: Acting, as_: As, wanted: frozenset[Key] | None) -> Iterator[Way]:
        """Yield what it reaches through views, copies and definer functions that it may use."""
        for key in acting.doors if wanted is None else acting.usable(self._toward(wanted)):
            thing = self.catalog.things[key]
            for door in self._doors(acting, as_, key):
                opened = _opened(acting, thing, door.needs)
                if opened and (wanted is None or door.relation in wanted):
                    path = joined(state, opened)
                    at = door.relation, door.right
                    yield Way(*at, state.effort, path, door.via, door.rows, key, door.needs)

    def _toward(self, wanted: frozenset[Key]) -> frozenset[Key]:
        """Return the views, copies and functions through which some objects may be reached."""
        if wanted not in self._leading:
            self._leading[wanted] = leading_to(self.catalog, wanted)
        return self._leading[wanted]

    def _doors(self, acting: Acting, as_: As, key: Key) -> Iterable[Door]:
        """Return what lies behind one thing. A function's doors are the same for whoever calls it."""
        if key not in self.catalog.definers or as_ != self.acting:
            return doors(acting, as_, key)
        return self.behind(key)

    def behind(self, function: Key) -> tuple[Door, ...]:
        """Return what a definer function reaches, for whoever calls it."""
        if function not in self._behind:
            owner = self.acting(self.catalog.things[function].owner)
            self._behind[function] = tuple(doors(owner, self.acting, function))
        return self._behind[function]


def joined(state: State, held: Held) -> Path:
    """Return the roles on the way from the login to whoever holds it."""
    return held.path if held.from_login else state.path + held.path[1:]


def _opened(acting: Acting, thing: Thing, needs: str) -> Held | None:
    """Return how it may use a view or function; a column of a view is enough."""
    fits = [one for (_, privilege), one in acting.held(thing.key).items() if privilege == needs]
    return min(fits, key=lambda one: len(one.path), default=None)


def granted(
    catalog: Catalog, graph: Graph, login: int, favoured: frozenset[int]
) -> dict[Key, dict[Right, Held]]:
    """Return the rights that a login can have granted: as owner, or with the option to pass them on.

    What can be named grows with what is granted, so it goes round until nothing comes.
    """
    given: dict[Key, dict[Right, Held]] = {}
    came = True
    while came:
        came = False
        for path in graph.becomes(login).values():
            acting = Acting(catalog, graph, path[-1], given, favoured)
            for key in acting.can_pass_on():
                thing = catalog.things[key]
                for right, held in acting.passes_on(thing) if acting.names(thing) else ():
                    if right not in given.setdefault(key, {}):
                        given[key][right] = Held(path + held.path[1:], held.via, from_login=True)
                        came = True
    return given
