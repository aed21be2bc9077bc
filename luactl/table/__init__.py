"""Tables as people have them: CSV of any origin, read line by line, its columns recognised by their names.

Owns no noun: which fields there are and what becomes of the records is said by whoever opens a table.
"""

from .header import Columns, fold, parse_choices
from .opening import Names, Origin, Progress, batched, nothing, open_table, picker
from .rows import Table
from .source import Source, TableError, open_source

__all__ = [
    "Columns",
    "Names",
    "Origin",
    "Progress",
    "Source",
    "Table",
    "TableError",
    "batched",
    "fold",
    "nothing",
    "open_source",
    "open_table",
    "parse_choices",
    "picker",
]
