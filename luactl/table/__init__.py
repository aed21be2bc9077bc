"""Tables as people have them: CSV of any origin, read line by line, its columns recognised by their names.

Owns no noun: which fields there are and what becomes of the records is said by whoever opens a table.
"""

from .header import Columns, fold, parse_choices
from .objects import Names
from .opening import Origin, Progress, batched, nothing, open_records, open_table, picker
from .reject import KEPT_REJECTS, Reject
from .rows import Table
from .source import Source, TableError, open_source

__all__ = [
    "KEPT_REJECTS",
    "Columns",
    "Names",
    "Origin",
    "Progress",
    "Reject",
    "Source",
    "Table",
    "TableError",
    "batched",
    "fold",
    "nothing",
    "open_records",
    "open_source",
    "open_table",
    "parse_choices",
    "picker",
]
