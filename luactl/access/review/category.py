"""Categories of data by which a review is narrowed, and the relations that hold each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import UsageError

CATEGORIES: dict[str, frozenset[str]] = {
    "contact": frozenset({"crm.subject", "crm.contact", "crm.contact_key"}),
    "interaction": frozenset({"crm.interaction"}),
    "invoice": frozenset({"crm.invoice", "crm.invoice_line"}),
    "request": frozenset({"lua.request"}),
    "secret": frozenset({"lua.secret"}),
    "key": frozenset({"vault.node", "vault.release_key"}),
    "log": frozenset({"ledger.entry", "lua.activity", "lua.log_line", "lua.log_block"}),
    "staff": frozenset({"lua.person", "lua.person_login", "lua.undertaking"}),
}
"""By name: the relations; a partition counts as its parent."""
SEALED = frozenset({"personal", "special", "accounting", "sealed", "verifier"})
"""Columns by which alone somebody reaches what a row is about; the others tell dates, states and numbers."""
ACTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"})
_PARTITION = re.compile(r"_(pooled|t[0-9]+|p[0-9]+)$")
_OF = {relation: name for name, relations in CATEGORIES.items() for relation in relations}


def category_of(relation: str, privilege: str, column: str | None) -> str | None:
    """Return which category somebody reaches by a right on a relation, or on one column of it; None: none."""
    if privilege not in ACTS or (column is not None and column not in SEALED):
        return None
    return _OF.get(_PARTITION.sub("", relation))


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of categories, each once. Raises UsageError for one that there is not."""
    found = tuple(dict.fromkeys(names))
    for name in found:
        if name not in CATEGORIES:
            raise UsageError(f"there is no category {name!r}", hint=f"one of {', '.join(CATEGORIES)}")
    return found
