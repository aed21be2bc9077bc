"""Certificates: signed folders which anybody can check offline (docs/reference/formats-certificate.md)."""

from .folder import Act, Evidence, check_free, tidy, write
from .manifest import canonical

__all__ = ["Act", "Evidence", "canonical", "check_free", "tidy", "write"]
