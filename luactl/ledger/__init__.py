"""Ledger: what was done and who saw what, provable by a transparency log (docs/reference/formats.md)."""
