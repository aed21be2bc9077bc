"""The manifest of a certificate folder and the text that is signed. Pure: bytes in, bytes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CERTIFICATE, DOCUMENT = "certificate.json", "certificate.md"
ENTRY, PROOF, VKEY = "entry.json", "entry.tlog-proof", "log.vkey"
SUMS, CUSTODY = "sha256sums.txt", "custody.jsonl"
"""Of a lockbox, beside its manifest: the digests as `sha256sum -c` reads them; who had it in hand."""
BESIDE = frozenset({MANIFEST, SIGNATURE, SUMS, CUSTODY})
"""What no manifest names."""
OWN_FILES = BESIDE | {CERTIFICATE, DOCUMENT, ENTRY, PROOF, VKEY}
"""What a certificate itself consists of; everything else is data that is handed over with it."""
SIGNED_HEADER = "luactl/manifest/1"
LARGEST_FILE = 4 << 20
_NAME = re.compile("[a-z0-9][a-z0-9-]*(\\.[a-z0-9-]+)+")
_DIGEST = re.compile("[0-9a-f]{64}")


class ManifestError(ValueError):
    """The manifest is not one; the text says why."""


@dataclass(frozen=True)
class Manifest:
    """What a folder holds and where its ledger entry stands."""

    kind: str
    """What is certified: erasure, export, termination or lockbox."""
    id: str
    """Id of the certified act (UUID)."""
    made_at: str
    """When the folder was made, RFC 3339 in UTC."""
    made_by: str
    """The login that made it."""
    ledger: tuple[str, int, int] | None
    """Origin of the log, index of the entry, size of the tree under the checkpoint; None while pending."""
    files: dict[str, str]
    """SHA-256 in hex of each other file by name, the signature excepted."""

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of manifest.json."""
        ledger = self.ledger and dict(zip(("origin", "index", "size"), self.ledger, strict=True))
        return canonical(
            {
                "v": 1,
                "kind": self.kind,
                "id": self.id,
                "made_at": self.made_at,
                "made_by": self.made_by,
                "ledger": ledger,
                "files": self.files,
            }
        )


def canonical(document: Any) -> bytes:
    """Return canonical JSON (RFC 8785)."""
    import rfc8785

    return rfc8785.dumps(document)


def sums(manifest: bytes, files: Mapping[str, str]) -> bytes:
    """Return the list that `sha256sum -c` checks: the files of a manifest, and the manifest."""
    digests = {**files, MANIFEST: sha256(manifest).hexdigest()}
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def signed_text(manifest: bytes) -> str:
    """Return the note text that is signed for these bytes of manifest.json."""
    return f"{SIGNED_HEADER}\nsha256 {sha256(manifest).hexdigest()} {MANIFEST}\n"


def parse(data: bytes) -> Manifest:
    """Read manifest.json. Raises ManifestError for anything that luactl would not have written."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise ManifestError("is not JSON") from None
    if not isinstance(document, dict) or document.get("v") != 1:
        raise ManifestError("is not a manifest of version 1")
    texts = {key: document.get(key) for key in ("kind", "id", "made_at", "made_by")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise ManifestError(f"lacks {key!r}")
    found = Manifest(**texts, ledger=_ledger(document.get("ledger")), files=_files(document.get("files")))  # type: ignore[arg-type]
    try:
        same = found.to_bytes() == data
    except ValueError:
        raise ManifestError("holds what canonical JSON cannot") from None
    if not same:
        raise ManifestError("is not canonical JSON, or says more than a manifest does")
    return found


def _ledger(value: Any) -> tuple[str, int, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ManifestError("has a malformed 'ledger'")
    origin, index, size = (value.get(key) for key in ("origin", "index", "size"))
    if not isinstance(origin, str) or type(index) is not int or type(size) is not int:
        raise ManifestError("has a malformed 'ledger'")
    return origin, index, size


def _files(value: Any) -> dict[str, str]:
    """Check names and digests: a name is one plain file name, so that no path leads out of the folder."""
    if not isinstance(value, dict):
        raise ManifestError("lacks 'files'")
    for name, digest in value.items():
        if not _NAME.fullmatch(name) or name in BESIDE:
            raise ManifestError(f"names {name!r}, which cannot be a file of a certificate")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ManifestError(f"has no SHA-256 for {name!r}")
    return value
