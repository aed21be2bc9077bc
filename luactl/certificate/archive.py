"""A certificate folder as one .zip file: the same files under the same names, the same bytes each time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from ..disk import sync_directory
from ..errors import LuactlError, RefusedError
from . import manifest as man

SUFFIX = ".zip"
EPOCH = (1980, 1, 1, 0, 0, 0)
PRIVATE = 0o600 << 16


def is_archive(path: Path) -> bool:
    """Whether a path names a .zip file rather than a folder."""
    return path.suffix.lower() == SUFFIX


def check_free(target: Path, id: str | None) -> None:
    """Raise RefusedError for a file that is anything but an older archive of the act of that id."""
    if not os.path.lexists(target):
        return
    import zipfile

    hint = "name a file that does not exist yet"
    try:
        with zipfile.ZipFile(target) as archive:
            old = man.parse(archive.read(man.MANIFEST))
    # What zipfile raises for archives that are none, damaged, encrypted or of a kind that it does not know.
    except (OSError, KeyError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
        raise RefusedError(f"{target} holds something else than a certificate", hint=hint) from None
    if target.is_symlink() or old.id != id:
        raise RefusedError(f"{target} holds another certificate", hint=hint)


def pack(folder: Path, target: Path) -> Path:
    """Write the files of a certificate folder into a .zip, whole or not at all; returns its path.

    Raises RefusedError when something else is in the way or the folder holds no certificate, LuactlError
    when the disk does not take it.
    """
    try:
        listed = man.parse((folder / man.MANIFEST).read_bytes())
    except (OSError, man.ManifestError):
        raise RefusedError(
            f"{folder} holds no certificate", hint="run the erasure again to write it"
        ) from None
    check_free(target, listed.id)
    names = sorted({*listed.files, man.MANIFEST, man.SIGNATURE})
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            _fill(file, [folder / name for name in names if (folder / name).exists()])
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(target)
        sync_directory(target.resolve().parent)
    except OSError as error:
        raise LuactlError(
            f"the certificate could not be written to {target}: {error.strerror}",
            hint="what it certifies stands; make room or name another file, and run it again",
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _fill(file: BinaryIO, paths: list[Path]) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            entry = zipfile.ZipInfo(path.name, EPOCH)
            entry.external_attr, entry.compress_type = PRIVATE, zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
                while chunk := source.read(1 << 20):
                    out.write(chunk)
