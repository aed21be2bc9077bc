"""A query as SQL over lua.activity or one store: text is always a parameter, never part of a statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from ...ledger.entry import MILLISECOND, time_of
from .field import FIELDS
from .store import Store, expression
from .tree import Every, Field, Node, Not, Some, Text, Value

Lookup = Mapping[tuple[str, Value], Sequence[Any]]
"""What names mean: (field, value) to numbers of tenants or ids of sources."""
LOOKED_UP = ("tenant", "source")
_ABOUT = "(subject = ANY ({ids}::uuid[]) OR touched && {ids}::uuid[])"
_TYPES = {"tenant": "bigint", "source": "uuid"}
_WORDS = "phraseto_tsquery('simple', translate({}::text, './@:_-', '      '))"


@dataclass
class Condition:
    """A condition being written, and the values that go with it."""

    lookup: Lookup
    store: Store | None = None
    """None: lua.activity, which is both."""
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> Placeholder:
        """Keep a value, and return its place in the statement."""
        name = f"q{len(self.values)}"
        self.values[name] = value
        return Placeholder(name)

    def write(self, node: Node) -> Composed:
        """Write a query. Unknown (no address, say) is never a match, so `-address:…` keeps it."""
        match node:
            case Field():
                return self._field(node)
            case Text():
                return self._text(node)
            case Not():
                return SQL("({} IS NOT TRUE)").format(self.write(node.node))
            case Every():
                return self._joined(node.nodes, " AND ", "true")
            case Some():
                return self._joined(node.nodes, " OR ", "false")

    def _joined(self, nodes: Sequence[Node], word: str, empty: str) -> Composed:
        if not nodes:
            return Composed([SQL(empty)])
        return SQL("({})").format(SQL(word).join(self.write(one) for one in nodes))

    def _field(self, node: Field) -> Composed:
        column = self.column(FIELDS[node.name].column)
        if node.name in LOOKED_UP:
            found = [one for value in node.values for one in self.lookup[node.name, value]]
            return SQL("({})").format(self._one_of(column, found, _TYPES[node.name]))
        if node.name in ("id", "subject"):
            ids = [UUID(value.pieces[0]) for value in node.values]
            return self._ids(ids) if node.name == "id" else SQL(_ABOUT).format(ids=self.bind(ids))
        return SQL("({})").format(SQL(" OR ").join(self._either(column, node)))

    def _ids(self, ids: Sequence[UUID]) -> Composed:
        """An id tells its time, by which the stores are ordered and cut into partitions."""
        times = sorted(time_of(id_) for id_ in ids)
        return SQL("(id = ANY ({}::uuid[]) AND at >= {}::timestamptz AND at < {}::timestamptz)").format(
            self.bind(ids), self.bind(times[0]), self.bind(times[-1] + MILLISECOND)
        )

    def column(self, name: str) -> Composable:
        """Return a column of lua.activity, or what it is in this store."""
        return expression(self.store, name) or Identifier(name)

    def _one_of(self, column: Composable, values: Sequence[Any], type_: str) -> Composed:
        """One value is compared as one: for a list Postgres would reckon with ten, and plan otherwise."""
        if len(values) == 1:
            return SQL("{} = {}::{}").format(column, self.bind(values[0]), SQL(type_))
        return SQL("{} = ANY ({}::{}[])").format(column, self.bind(list(values)), SQL(type_))

    def _either(self, column: Composable, node: Field) -> Iterator[Composable]:
        networks = [v for v in node.values if _is_network(node, v)]
        exact = [v for v in node.values if v.is_exact and v not in networks]
        like = [v for v in node.values if not v.is_exact]
        if exact:
            yield self._one_of(column, [v.pieces[0] for v in exact], "text")
        if like:
            yield SQL("{} LIKE ANY ({}::text[])").format(column, self.bind([pattern(v) for v in like]))
        if networks:
            ranges = [str(ip_network(v.pieces[0], strict=False)) for v in networks]
            yield SQL("lua.address({}) <<= ANY ({}::inet[])").format(column, self.bind(ranges))

    def _text(self, node: Text) -> Composed:
        words = SQL(_WORDS).format(self.bind(node.words))
        if node.is_prefix:
            words = SQL("({}::text || ':*')::tsquery").format(words)
        return SQL("({} @@ {})").format(self.column("words"), words)


def named(node: Node) -> set[tuple[str, Value]]:
    """Return the (field, value) of everything that must be looked up first."""
    match node:
        case Field() if node.name in LOOKED_UP:
            return {(node.name, value) for value in node.values}
        case Not():
            return named(node.node)
        case Every() | Some():
            return {found for one in node.nodes for found in named(one)}
    return set()


def pattern(value: Value) -> str:
    """Return a value as a pattern of LIKE."""
    pieces = (p.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for p in value.pieces)
    return "%".join(pieces)


def _is_network(node: Field, value: Value) -> bool:
    return node.name == "address" and value.is_exact and "/" in value.pieces[0]
