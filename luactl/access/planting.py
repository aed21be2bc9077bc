"""Where somebody can put code that runs as somebody else: what it may alter there, and what lets it.

A trigger, a default or a policy runs as whoever writes or reads; a function as whoever calls it, or names
it unawares, where one that fits better lies in a schema that is searched. What runs in a definer function
acts as its owner, if the names in its body are looked up where the caller says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from .acting import Acting, Held
from .catalog import PUBLIC, Catalog, Definer, Key, Right, Thing
from .doors import As
from .way import Way, Ways, joined

OWNER: Right = (0, "owner")
"""What lets somebody alter an object, or put another in its place."""
TRIGGER: Right = (0, "TRIGGER")
CREATE: Right = (0, "CREATE")
EXECUTE: Right = (0, "EXECUTE")
WRITTEN = ("table", "foreign table", "view")
"""Kinds that can have triggers."""
TEMPORARY = "pg_temp"
Places = Mapping[tuple[Key, Right], Way]
"""Where code can be put, and by what right, with the shortest way to it."""


class Planting:
    """Who can put code where, over one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    @cached_property
    def _by_holder(self) -> dict[int, set[Key]]:
        """Where each role could put code, if it can name it."""
        found: dict[int, set[Key]] = {}
        for key, thing in self.catalog.things.items():
            if thing.kind in WRITTEN or key[0] in ("function", "schema", "database"):
                found.setdefault(thing.owner, set()).add(key)
                for grantee, rights in self.catalog.granted.get(key, {}).items():
                    if not {TRIGGER, CREATE}.isdisjoint(rights) or (EXECUTE in rights and self._is_open(key)):
                        found.setdefault(grantee, set()).add(key)
        return found

    @cached_property
    def _able(self) -> frozenset[int]:
        """Who may come to put code anywhere: the holders and all of their members, however far."""
        roles = self.catalog.graph.roles
        holders = (one for one in self._by_holder if one == PUBLIC or not roles[one].is_superuser)
        return frozenset(self.catalog.graph.leading_to(holders))

    def _is_open(self, key: Key) -> bool:
        """Whether names in the body of a definer function may be looked up elsewhere than it meant."""
        definer = self.catalog.definers.get(key)
        return bool(definer and definer.is_opaque and (definer.path != () or self._bare(definer)))

    def _bare(self, definer: Definer) -> bool:
        """Whether it names a relation without its schema and lets a temporary one come first.

        That is so under any search_path, the empty one too, which does not say where `pg_temp` comes.
        """
        named = (key for word in definer.bare for key in self.catalog.by_word.get(word, ()))
        return TEMPORARY not in (definer.path or ()) and any(key[0] == "relation" for key in named)

    @cached_property
    def _schemas(self) -> dict[str, Key]:
        every = self.catalog.of_kind.get("schema", ())
        return {self.catalog.things[key].name.strip('"'): key for key in every}

    @cached_property
    def database(self) -> Key:
        """The database itself."""
        return self.catalog.of_kind["database"][0]

    def of(self, ways: Ways, role: int) -> Places:
        """Return where somebody can put code; a superuser needs to put none."""
        if role not in self._able and PUBLIC not in self._by_holder:
            return {}
        best: dict[tuple[Key, Right], Way] = {}
        states = ((state, ways.acting) for state in ways.at_first(role))
        for state, as_ in (*states, *ways.after_grants(role)):
            acting = as_(state.role)
            for key, right, held in () if acting.is_superuser else self._held(acting, as_):
                way = Way(key, right, state.effort, joined(state, held), held.via, "")
                known = best.get((key, right))
                if known is None or way.cost < known.cost:
                    best[key, right] = way
        return best

    def _held(self, acting: Acting, as_: As) -> Iterator[tuple[Key, Right, Held]]:
        near = set().union(*(self._by_holder.get(role, ()) for role in (*acting.uses, PUBLIC)))
        for key in sorted(near | acting.given.keys()):
            thing = self.catalog.things[key]
            if acting.names(thing):
                yield from ((key, right, held) for right, held in self._on(acting, as_, thing))

    def _on(self, acting: Acting, as_: As, thing: Thing) -> Iterator[tuple[Right, Held]]:
        held, owns = acting.held(thing.key), thing.owner in acting.uses
        owner = Held(acting.uses[thing.owner], "owner") if owns else None
        if thing.kind in WRITTEN:
            if owner:
                yield OWNER, owner
            elif TRIGGER in held:
                yield TRIGGER, held[TRIGGER]
        elif thing.key[0] == "function":
            if owner and thing.schema and CREATE in acting.held(thing.schema):
                yield OWNER, owner
            elif not owner and EXECUTE in held and self._misleads(acting, as_(thing.owner), thing):
                yield EXECUTE, held[EXECUTE]
        elif thing.key[0] in ("schema", "database") and CREATE in held:
            yield CREATE, held[CREATE]

    def _misleads(self, acting: Acting, owner: Acting, function: Thing) -> bool:
        """Whether somebody can make a definer function call what it did not mean."""
        if not self._is_open(function.key):
            return False
        definer, of_database = self.catalog.definers[function.key], acting.held(self.database)
        if self._bare(definer) and (0, "TEMPORARY") in of_database:
            return True
        if definer.path is None and CREATE in of_database:
            return True
        return any(
            CREATE in acting.held(key) and (0, "USAGE") in owner.held(key)
            for key in self._searched(definer, owner.role)
        )

    def _searched(self, definer: Definer, owner: int) -> Iterable[Key]:
        if definer.path is None:
            return self._schemas.values()
        me = self.catalog.graph.roles[owner].name
        names = (me if one == "$user" else one for one in definer.path)
        return [self._schemas[name] for name in names if name in self._schemas]

    def searched_by(self, login: int) -> tuple[Key, ...]:
        """Return the schemas that a login searches, those that are there."""
        names = self.catalog.code.searched_by(self.catalog.graph.roles[login])
        return tuple(self._schemas[name] for name in names if name in self._schemas)

    def lacks_own(self, login: int) -> bool:
        """Whether a login searches a schema of its own name that nobody has made yet."""
        me = self.catalog.graph.roles[login]
        return me.name in self.catalog.code.searched_by(me) and me.name not in self._schemas
