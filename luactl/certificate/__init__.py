"""Certificates: signed folders which anybody can check offline (docs/reference/formats-certificate.md)."""

from .folder import Act, Evidence, write
from .verify import Finding, Verdict, verify_folder

__all__ = ["Act", "Evidence", "Finding", "Verdict", "verify_folder", "write"]
