"""Everything that a tenant keeps, as a portable folder: handed over, and taken in again without loss.

Art. 28(3)(g) GDPR (return of all personal data at the tenant's choice) and the part of Art. 20 that concerns
the form: structured, commonly used, machine-readable. Formats: docs/reference/formats-portable.md.
Names are loaded at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes

if TYPE_CHECKING:
    from .bundle import Bundle, Fault, read_bundle
    from .exporting import Export, export
    from .importing import DataImport, import_data

__all__ = ["Bundle", "DataImport", "Export", "Fault", "export", "import_data", "read_bundle"]

__getattr__ = attributes(
    __name__,
    {
        "bundle": "Bundle Fault read_bundle",
        "exporting": "Export export",
        "importing": "DataImport import_data",
    },
)
