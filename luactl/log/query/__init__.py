"""The query language of the log, as people type it.

    actor:anna tenant:dental-berlin action:read* -address:10.0.* since:-2h "invoice"

Words stand side by side and all must hold; `OR`, parentheses and a minus before a word do what they say.
Pure: `parse` reads it, `Condition` writes it as SQL with parameters.
"""

from .condition import Condition, Lookup, named, pattern
from .field import DETAIL, FIELDS, PARTS, SUBJECTS
from .parse import Query, check, parse
from .part import part, parts
from .store import BOTH, NEITHER, Store, Stores, stores
from .tree import ONE, Every, Field, Given, Node, Not, Number, Same, Some, Text, Value

__all__ = [
    "BOTH",
    "DETAIL",
    "FIELDS",
    "NEITHER",
    "ONE",
    "PARTS",
    "SUBJECTS",
    "Condition",
    "Every",
    "Field",
    "Given",
    "Lookup",
    "Node",
    "Not",
    "Number",
    "Query",
    "Same",
    "Some",
    "Store",
    "Stores",
    "Text",
    "Value",
    "check",
    "named",
    "parse",
    "part",
    "parts",
    "pattern",
    "stores",
]
