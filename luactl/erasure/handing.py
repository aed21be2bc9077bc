"""Handing a certificate on: as PDF for people, as one .zip for whoever checks it."""

from __future__ import annotations

from pathlib import Path

from ..certificate import archive
from ..certificate.pdf import to_pdf
from ..disk import create
from ..errors import LuactlError, RefusedError
from .document import document
from .record import Erasure


def certificate(erasure: Erasure) -> str:
    """Return the certificate of an erasure, as Markdown. Raises RefusedError before the outcome."""
    return document(_facts(erasure))


def write_markdown(erasure: Erasure, target: Path) -> Path:
    """Write the same to a new file. Raises as `write_pdf` does."""
    return _write(certificate(erasure).encode(), target)


def write_pdf(erasure: Erasure, target: Path) -> Path:
    """Write the certificate of an erasure as PDF to a new file.

    Raises RefusedError before the outcome or when the file is there, LuactlError when the disk does not take
    it.
    """
    return _write(to_pdf(certificate(erasure), f"Certificate of erasure {erasure.erasure_id}"), target)


def _write(data: bytes, target: Path) -> Path:
    try:
        create(target, data)
    except FileExistsError:
        raise RefusedError(f"{target} is there already", hint="name a file that does not exist yet") from None
    except OSError as error:
        raise LuactlError(f"the certificate could not be written to {target}: {error.strerror}") from error
    return target


def write_zip(erasure: Erasure, base: Path, target: Path) -> Path:
    """Write the certificate's folder, which lies in `base` on this host, as a .zip. Raises as `pack` does."""
    _facts(erasure)
    return archive.pack(base / str(erasure.erasure_id), target)


def _facts(erasure: Erasure) -> dict[str, object]:
    if erasure.result is None:
        raise RefusedError(
            f"erasure {erasure.erasure_id} is not finished, so that nothing is certified",
            hint="`luactl erasure run --tenant SLUG --resume` finishes it",
        )
    facts: dict[str, object] = erasure.result["facts"]
    return facts
