"""The two stores of the log: what each calls a field, and whether a query can find anything in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import reduce

from psycopg.sql import SQL, Composable, Literal

from .tree import Every, Field, Given, Node, Not, Number, Same, Some, Text


class Store(Enum):
    """Where a line of the log lies, by its `kind`."""

    LEDGER = "ledger"
    LINE = "line"


Stores = frozenset[Store]
BOTH: Stores = frozenset(Store)
NEITHER: Stores = frozenset()
_OF_LINES = ("application", "severity", "code", "source")
_SAID = SQL("(convert_from(body, 'UTF8')::jsonb ->> {})")
_OWN: Mapping[Store, Mapping[str, Composable]] = {
    Store.LEDGER: {
        "kind": SQL("'ledger'::text"),
        **{name: _SAID.format(Literal(name)) for name in ("on_behalf", "purpose", "address", "session")},
        **{name: SQL("NULL::text") for name in ("application", "severity", "code")},
        "source_id": SQL("NULL::uuid"),
        "words": SQL("ledger.words(body)"),
    },
    Store.LINE: {"kind": SQL("'line'::text"), "words": SQL("lua.words(message)")},
}


def expression(store: Store | None, column: str) -> Composable | None:
    """Return what a column of lua.activity is in a store; None where it is a column of that name."""
    return None if store is None else _OWN[store].get(column)


def stores(node: Node) -> Stores:
    """Return the stores in which a query may find something: only lines have a severity, say."""
    match node:
        case Field():
            return _of_field(node)
        case Every():
            return reduce(Stores.__and__, map(stores, node.nodes), BOTH)
        case Some():
            return reduce(Stores.__or__, map(stores, node.nodes), NEITHER)
        case Not(Field("kind", values)):
            return BOTH - {Store(value.pieces[0]) for value in values}
        case Not() | Text() | Number() | Same() | Given():
            return BOTH


def _of_field(node: Field) -> Stores:
    if node.name == "kind":
        return frozenset(Store(value.pieces[0]) for value in node.values)
    return frozenset({Store.LINE}) if node.name in _OF_LINES else BOTH
