"""What leads around the grants: views, copies, rules and functions that act as their owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .acting import Acting, Rows
from .catalog import Catalog, Definer, Key, Read, Right, Thing

As = Callable[[int], Acting]
"""Somebody who acts as a role, in the roles as they are."""
VERBS = {"SELECT": {"select", "table"}, "INSERT": {"insert"}, "UPDATE": {"update"}, "DELETE": {"delete"}}


@dataclass(frozen=True)
class Door:
    """One relation behind one view, copy or definer function."""

    relation: Key
    right: Right
    through: Thing
    reader: int
    """As whom it is read."""
    rows: Rows
    needs: str = "SELECT"
    """The right on `through` that opens it."""
    by_rule: bool = False
    """Whether a rule does it."""

    @property
    def via(self) -> str:
        """What it is called."""
        if self.by_rule:
            return f"rule on {self.through.name}"
        word = {"view": "view", "materialized view": "copy"}.get(self.through.kind, "function")
        return f"{word} {self.through.name}"


def doors(acting: Acting, as_: As, through: Key) -> Iterator[Door]:
    """Yield what somebody would reach through one object if it has the right that each door needs."""
    catalog = acting.catalog
    yield from _of_rules(as_, catalog, catalog.things[through])
    if through in catalog.views:
        yield from _of_view(acting, as_, catalog.things[through])
    elif through in catalog.definers:
        for door in _of_function(as_, catalog, catalog.things[through], frozenset()):
            yield replace(door, needs="EXECUTE")


def leading_to(catalog: Catalog, keys: Iterable[Key]) -> frozenset[Key]:
    """Return what may lead to some objects, however deep: it reads or mentions them, whoever may use it."""
    behind: dict[Key, set[Key]] = {}
    for key, view in catalog.views.items():
        for read in view.reads:
            behind.setdefault(read.relation, set()).add(key)
    for key, rewrites in catalog.rewrites.items():
        for one in rewrites:
            behind.setdefault(one.relation, set()).add(key)
    for key, definer in catalog.definers.items():
        for mentioned in _mentioned(catalog, definer):
            behind.setdefault(mentioned, set()).add(key)
    found: set[Key] = set()
    queue = list(keys)
    while queue:
        more = behind.get(queue.pop(), set()) - found
        found |= more
        queue += more
    return frozenset(found & catalog.doors)


def _of_rules(as_: As, catalog: Catalog, relation: Thing) -> Iterator[Door]:
    """Yield what rules do elsewhere as the owner; when that may not do all of it, the whole is refused."""
    for event in {one.event for one in catalog.rewrites.get(relation.key, ())}:
        owner = as_(relation.owner)
        done = [one for one in catalog.rewrites[relation.key] if one.event == event]
        there = [(one, name) for one in done for name in one.privileges if one.relation in catalog.things]
        if all(_may(owner, one.relation, name) for one, name in there):
            for one, name in there:
                rows = owner.rows(catalog.things[one.relation], name)
                yield Door(one.relation, (0, name), relation, owner.role, rows, event, by_rule=True)


def _may(acting: Acting, relation: Key, privilege: str) -> bool:
    held = acting.held(relation)
    return acting.is_superuser or any(name == privilege for _, name in held)


def _of_view(acting: Acting, as_: As, view: Thing) -> Iterator[Door]:
    catalog = acting.catalog
    if view.kind == "materialized view":
        for key in _copied(catalog, view.key):
            yield Door(key, (0, "SELECT"), view, view.owner, "all")
        return
    found = _read(acting, as_, view)
    for key, reader in found or ():
        yield Door(key, (0, "SELECT"), view, reader.role, reader.rows(catalog.things[key], "SELECT"))
    yield from _written(acting, as_, view)


def _written(acting: Acting, as_: As, view: Thing) -> Iterator[Door]:
    """Yield what goes through a simple view into the one relation below it."""
    known = acting.catalog.views[view.key]
    reader = acting if known.as_asker else as_(view.owner)
    for read in known.reads if known.writes else ():
        below = acting.catalog.things.get(read.relation)
        for privilege in known.writes if below else ():
            if below and (reader.is_superuser or (0, privilege) in reader.held(below.key)):
                rows = reader.rows(below, privilege)
                yield Door(below.key, (0, privilege), view, reader.role, rows, privilege)


def _read(acting: Acting, as_: As, view: Thing) -> list[tuple[Key, Acting]] | None:
    """Return the relations that a query of a view reads, and as whom; None when one of them refuses it."""
    catalog, found = acting.catalog, []
    known = catalog.views.get(view.key)
    if known is None:
        return []
    reader = acting if known.as_asker else as_(view.owner)
    for read in known.reads:
        if read.relation not in catalog.things:  # of the system itself
            continue
        if not reader.may_read(read):
            return None
        found.append((read.relation, reader))
        below = catalog.things[read.relation]
        if below.kind == "view":
            nested = _read(acting, as_, below)
            if nested is None:
                return None
            found += nested
        elif below.kind == "materialized view":
            found += [(key, as_(below.owner)) for key in _copied(catalog, below.key)]
    return found


def _copied(catalog: Catalog, view: Key) -> Iterator[Key]:
    """Yield the tables whose data a view or copy holds, however deep."""
    for read in catalog.views[view].reads if view in catalog.views else ():
        if read.relation in catalog.things:
            yield read.relation
            yield from _copied(catalog, read.relation)


def _of_function(as_: As, catalog: Catalog, function: Thing, seen: frozenset[Key]) -> Iterator[Door]:
    definer, actor = catalog.definers[function.key], as_(function.owner)
    for key in _mentioned(catalog, definer):
        thing = catalog.things[key]
        is_bound = key in definer.depends
        if key in seen or not (is_bound or actor.names(thing)):
            continue
        if key in catalog.definers:
            if actor.is_superuser or (0, "EXECUTE") in actor.held(key):
                inner = _of_function(as_, catalog, thing, seen | {function.key})
                yield from (Door(one.relation, one.right, function, one.reader, one.rows) for one in inner)
        elif key[0] == "relation":
            yield from _used(as_, actor, definer, function, thing)


def _used(as_: As, actor: Acting, definer: Definer, function: Thing, thing: Thing) -> Iterator[Door]:
    """Yield what the words of a function let it do with a relation, as far as its owner may."""
    for privilege, verbs in VERBS.items():
        if verbs.isdisjoint(definer.words):
            continue
        if privilege == "SELECT":
            works = thing.kind != "view" or _read(actor, as_, thing) is not None
            if not works or not actor.may_read(Read(thing.key, ())):
                continue
            yield Door(thing.key, (0, privilege), function, actor.role, actor.rows(thing, privilege))
            for door in _of_view(actor, as_, thing) if thing.key in actor.catalog.views else ():
                yield Door(door.relation, door.right, function, door.reader, door.rows)
        elif actor.is_superuser or (0, privilege) in actor.held(thing.key):
            yield Door(thing.key, (0, privilege), function, actor.role, actor.rows(thing, privilege))
            for door in _of_rules(as_, actor.catalog, thing):
                if door.needs == privilege:
                    yield Door(door.relation, door.right, function, door.reader, door.rows)


def _mentioned(catalog: Catalog, definer: Definer) -> Iterator[Key]:
    for word in definer.words:
        yield from catalog.by_word.get(word, ())
    yield from (key for key in definer.depends if key in catalog.things)
