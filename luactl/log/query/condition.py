"""A query as SQL over lua.activity or one store: text is always a parameter, never part of a statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder

from ...ledger.entry import MILLISECOND, time_of
from .field import DETAIL, FIELDS, PARTS
from .store import Store, expression
from .tree import ONE, Every, Field, Given, Node, Not, Number, Same, Some, Text, Value

Lookup = Mapping[tuple[str, Value], Sequence[Any]]
"""What names mean: (field, value) to numbers of tenants or ids of sources."""
LOOKED_UP = ("tenant", "source")
_ABOUT = "(subject = ANY ({ids}::uuid[]) OR touched && {ids}::uuid[])"
_TYPES = {"tenant": "bigint", "source": "uuid"}
_WORDS = "phraseto_tsquery('simple', translate({}::text, './@:_-', '      '))"
_PEOPLE = "(coalesce(cardinality(touched), 0) + CASE WHEN subject IS NULL THEN 0 ELSE 1 END)"
_PART = "extract({part} FROM at AT TIME ZONE {zone}::text)"
_SIGNS = {sign: SQL(sign) for sign in ("=", "<", "<=", ">", ">=")}


@dataclass
class Condition:
    """A condition being written, and the values that go with it."""

    lookup: Lookup
    store: Store | None = None
    """None: lua.activity, which is both."""
    values: dict[str, Any] = field(default_factory=dict)
    zone: str = "UTC"
    """The time zone in which hours and days are meant."""
    prefix: str = "q"
    """What the values are called: another one for each of several conditions of one statement."""

    def bind(self, value: Any) -> Placeholder:
        """Keep a value, and return its place in the statement."""
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        return Placeholder(name)

    def write(self, node: Node) -> Composed:
        """Write a query. Unknown (no address, say) is never a match, so `-address:…` keeps it."""
        match node:
            case Field():
                return self._field(node)
            case Text():
                return self._text(node)
            case Number():
                return self._number(node)
            case Same():
                return self._same(node)
            case Given():
                return self._given(node)
            case Not():
                return SQL("({} IS NOT TRUE)").format(self.write(node.node))
            case Every():
                return self._joined(node.nodes, " AND ", "true")
            case Some():
                return self._joined(node.nodes, " OR ", "false")

    def of_field(self, name: str) -> Composable:
        """Write a field as what it is in a row: text, but for subject and id (uuid) and a tenant's number."""
        if name.startswith(DETAIL):
            body = "(convert_from(body, 'UTF8')::jsonb #>> ARRAY['detail', {}])"
            return SQL(body).format(self.bind(name.removeprefix(DETAIL)))
        if name == "tenant":
            return SQL("nullif(tenant_id, 0)")
        return self.column(FIELDS[name].column if name in FIELDS else name)

    def _given(self, node: Given) -> Composed:
        if node.name == "subject":
            return SQL("({} > 0)").format(SQL(_PEOPLE))
        return SQL("({} IS NOT NULL)").format(self.of_field(node.name))

    def _number(self, node: Number) -> Composed:
        of: Composable = SQL(_PEOPLE)
        if node.name in PARTS:
            of = SQL(_PART).format(part=SQL(PARTS[node.name]), zone=self.bind(self.zone))
        return SQL("({} {} {}::numeric)").format(of, _SIGNS[node.sign], self.bind(node.value))

    def _same(self, node: Same) -> Composed:
        other = self.of_field(node.other)
        if node.name == "text":
            return SQL("({} @@ {})").format(self.column("words"), SQL(_WORDS).format(other))
        return SQL("({} = {})").format(self.of_field(node.name), other)

    def _joined(self, nodes: Sequence[Node], word: str, empty: str) -> Composed:
        if not nodes:
            return Composed([SQL(empty)])
        return SQL("({})").format(SQL(word).join(self.write(one) for one in nodes))

    def _field(self, node: Field) -> Composed:
        if node.name in LOOKED_UP:
            found = [one for value in node.values for one in self.lookup[node.name, value]]
            number = self.column(FIELDS[node.name].column)
            return SQL("({})").format(self._one_of(number, found, _TYPES[node.name]))
        if node.name in ("id", "subject"):
            ids = [UUID(value.pieces[0]) for value in node.values]
            return self._ids(ids) if node.name == "id" else SQL(_ABOUT).format(ids=self.bind(ids))
        return SQL("({})").format(SQL(" OR ").join(self._either(self.of_field(node.name), node)))

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
        exact = [v for v in node.values if v.is_exact and v not in networks and node.is_cased]
        like = [v for v in node.values if v not in networks and v not in exact]
        if exact:
            yield self._one_of(column, [v.pieces[0] for v in exact], "text")
        if like:
            word = SQL("LIKE" if node.is_cased else "ILIKE")
            yield SQL("{} {} ANY ({}::text[])").format(column, word, self.bind([pattern(v) for v in like]))
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
    return "%".join(pieces).replace(ONE, "_")


def _is_network(node: Field, value: Value) -> bool:
    return node.name == "address" and value.is_exact and "/" in value.pieces[0]
