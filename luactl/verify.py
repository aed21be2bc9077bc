"""Checking a certificate folder, or its .zip, offline: no database, no profile, no network.

Every byte is accounted for: files are those of the manifest, the manifest is signed, the ledger entry is
proved under a signed checkpoint, and the entry itself names the digest of the certificate.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .certificate import manifest as man
from .certificate import proof as log_proof
from .certificate.archive import is_archive
from .errors import UsageError

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

    from .ledger.note import Verifier

LONGEST_KEY_FILE = 4096
ACTIONS = {"erasure": "erasure.run", "termination": "tenant.terminate"}
"""Which action an approval of a certified act is for, by the kind of certificate."""
LARGEST_ENTRY = 64 << 30
MOST_FILES = 64
LONGEST_PROOF = 1 << 20
PROOF = {"id", "index", "size", "hashes", "root", "checkpoint", "vkey", "body"}
"""What `luactl ledger prove -o json` tells."""
LARGEST_FOLDER = 32 << 20
DATA = (".jsonl", ".log")
"""How files end that may be large, and are hashed without being kept."""
LOCKBOX = "lockbox"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with one file of the folder."""

    file: str
    what: str


@dataclass(frozen=True)
class Verdict:
    """What the check of a folder found."""

    folder: str
    kind: str | None
    """What is certified; None when the manifest could not be read."""
    id: str | None
    """Id of the certified act."""
    made_at: str | None
    made_by: str | None
    key: str | None
    """The verifier key by which signatures were judged."""
    pinned: bool
    """True: the key came from the person who checks. False: it lay in the folder itself, and proves only
    that the folder is of one piece."""
    index: int | None
    """Index of the ledger entry; None while it is pending."""
    size: int | None
    """Size of the log under the enclosed checkpoint."""
    custody: str | None
    """Of a lockbox: SHA-256 of the last entry of its custody log."""
    files: int
    """How many files were hashed."""
    findings: tuple[Finding, ...]
    ok: bool
    """Nothing was wrong."""


@dataclass
class _Check:
    """What one check has read and found so far."""

    folder: Path
    data: dict[str, bytes] = field(default_factory=dict)
    """What was kept, by file: all but large files of data."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hex of every file that was read."""
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, file: str, what: str) -> None:
        self.findings.append(Finding(file, what))

    def text(self, file: str) -> str | None:
        """Return a file as UTF-8 text; None, with a finding, when it is missing or something else."""
        if file not in self.data:
            if not any(finding.file == file for finding in self.findings):
                self.wrong(file, "is missing")
            return None
        try:
            return self.data[file].decode("utf-8")
        except UnicodeDecodeError:
            self.wrong(file, "is not UTF-8")
            return None


def verify_folder(
    folder: Path, key: str | None = None, approvers: Sequence[str] = (), custody: str | None = None
) -> Verdict:
    """Check a folder or a .zip, or a proof that `luactl ledger prove -o json` told.

    `key` pins a verifier key (its text, or the file that holds it).

    With `approvers`, keys given likewise, the act must have been approved with these and no others; with
    `custody`, the SHA-256 of an entry, that entry must stand in the custody log of a lockbox.

    Raises UsageError when there is no such folder or archive, or a key given is none. All else is a finding.
    """
    pinned = _pinned(key) if key else None
    trusted = [str(_pinned(one, "--approver")) for one in approvers]
    check = _Check(folder)
    if folder.is_file() and is_archive(folder):
        _read_archive(check)
    elif folder.is_file() and (told := _told(folder)) is not None:
        return _verify_proof(folder, told, pinned)
    elif not folder.is_dir():
        raise UsageError(
            f"{str(folder)!r} is not a folder",
            hint="name the folder that holds manifest.json, its .zip, or a proof of a ledger entry",
        )
    elif os.path.lexists(folder / man.MANIFEST):
        _read(check)
    found, head = _manifest(check), None
    verifier = _verifier(check, pinned) if check.data else pinned
    if found is not None:
        _files(check, found)
        if verifier is not None:
            _signature(check, verifier)
            _entry(check, found, verifier)
        _approval(check, found, trusted)
        _request(check)
        _review(check, found)
        head = _lockbox(check, found, verifier, custody)
    return Verdict(
        folder=str(folder),
        kind=found.kind if found else None,
        id=found.id if found else None,
        made_at=found.made_at if found else None,
        made_by=found.made_by if found else None,
        key=str(verifier) if verifier else None,
        pinned=pinned is not None,
        index=found.ledger[1] if found and found.ledger else None,
        size=found.ledger[2] if found and found.ledger else None,
        custody=head,
        files=len(check.digests),
        findings=tuple(check.findings),
        ok=not check.findings,
    )


def _told(file: Path) -> dict[str, Any] | None:
    """Return the proof that a file holds, in or out of its envelope; None when it is no such file."""
    try:
        with file.open(encoding="utf-8") as opened:
            found = json.loads(opened.read(LONGEST_PROOF))
    except (OSError, ValueError):
        return None
    if isinstance(found, dict) and isinstance(found.get("data"), dict):
        found = found["data"]
    return found if isinstance(found, dict) and found.keys() >= PROOF else None


def _verify_proof(file: Path, told: dict[str, Any], pinned: Verifier | None) -> Verdict:
    """Check the proof of one ledger entry. What is malformed in it is a finding."""
    from .ledger.proof import Proof, check

    entry, vkey, holds = dict[str, Any](), str(pinned or told["vkey"]), False
    try:
        body, hashes = bytes.fromhex(told["body"]), tuple(map(bytes.fromhex, told["hashes"]))
        id_, root = UUID(told["id"]), bytes.fromhex(told["root"])
        proof = Proof(id_, told["index"], told["size"], hashes, root, told["checkpoint"], vkey, body)
        entry = json.loads(body)
        holds = check(proof, vkey) and entry["id"] == str(id_)
    except (ValueError, TypeError, KeyError, AttributeError):
        holds = False
    wrong = () if holds else (Finding(file.name, "the entry is not proved under a checkpoint of this key"),)
    return Verdict(
        folder=str(file),
        kind="ledger entry",
        id=str(told["id"]),
        made_at=entry.get("at") if holds else None,
        made_by=entry.get("actor") if holds else None,
        key=vkey,
        pinned=pinned is not None,
        index=told["index"] if holds else None,
        size=told["size"] if holds else None,
        custody=None,
        files=1,
        findings=wrong,
        ok=holds,
    )


def _pinned(key: str, option: str = "--key") -> Verifier:
    """Read the key that somebody trusts. Raises UsageError."""
    from .ledger.note import NoteError, Verifier

    text = key.strip()
    if "+" not in text or os.path.lexists(key):
        try:
            with Path(key).open(encoding="utf-8") as file:
                text = file.read(LONGEST_KEY_FILE).strip()
        except (OSError, UnicodeDecodeError, ValueError):
            raise UsageError(f"{option} names no readable file and is no verifier key") from None
    try:
        return Verifier.parse(text)
    except NoteError as error:
        raise UsageError(
            f"{option} is no verifier key: {error.what}", hint="it is written name+id+base64"
        ) from None


def _read(check: _Check) -> None:
    """Read every plain file directly in the folder, following no link, until there is too much of it."""
    with os.scandir(check.folder) as entries:
        listed = sorted(islice(entries, MOST_FILES + 1), key=lambda one: one.name)
    for entry in listed:
        if len(check.digests) == MOST_FILES or sum(map(len, check.data.values())) > LARGEST_FOLDER:
            check.wrong(entry.name, f"was not read: more than {MOST_FILES} files or {LARGEST_FOLDER} bytes")
            break
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            check.wrong(entry.name, "is a symbolic link; a certificate has none")
        elif not stat.S_ISREG(mode):
            check.wrong(entry.name, "is no plain file")
        else:
            _read_file(check, entry.name)


def _read_file(check: _Check, name: str) -> None:
    try:
        descriptor = os.open(check.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(man.LARGEST_FILE + 1)
            digest = sha256(data)
            while len(data) > man.LARGEST_FILE and (more := file.read(CHUNK)):
                digest.update(more)
    except OSError as error:
        check.wrong(name, f"cannot be read: {error.strerror}")
        return
    _keep(check, name, data, digest.hexdigest())


def _read_archive(check: _Check) -> None:
    """Read the files of a .zip without unpacking it anywhere. Raises UsageError for what is none."""
    import zipfile

    try:
        with zipfile.ZipFile(check.folder) as archive:
            for entry in archive.infolist()[:MOST_FILES]:
                _read_entry(check, archive, entry)
            for entry in archive.infolist()[MOST_FILES:]:
                check.wrong(entry.filename, f"was not read: more than {MOST_FILES} files")
    # A directory that is damaged may name files that are no text, or ask for a newer kind of archive.
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UsageError(f"{str(check.folder)!r} is no .zip that can be read: {error}") from None


def _read_entry(check: _Check, archive: ZipFile, entry: ZipInfo) -> None:
    """Read one file of an archive, in pieces: what it says of its size is not believed."""
    from zipfile import BadZipFile
    from zlib import error as zlib_error

    name = entry.filename
    if "/" in name or "\\" in name or entry.is_dir():
        check.wrong(name, "is no plain file")
        return
    if name in check.digests:
        check.wrong(name, "is in the archive twice")
        return
    try:
        with archive.open(entry) as file:
            data = file.read(man.LARGEST_FILE + 1)
            digest, size = sha256(data), len(data)
            while len(data) > man.LARGEST_FILE and (more := file.read(CHUNK)) and size <= LARGEST_ENTRY:
                digest.update(more)
                size += len(more)
    # What zipfile raises for entries that are damaged, encrypted or packed in a way that it does not know.
    except (OSError, EOFError, BadZipFile, NotImplementedError, RuntimeError, zlib_error) as error:
        check.wrong(name, f"cannot be read: {error}")
        return
    _keep(check, name, data, digest.hexdigest())


def _keep(check: _Check, name: str, data: bytes, digest: str) -> None:
    """Keep the digest of a file, and its bytes if they are few; a certificate's own files must be."""
    check.digests[name] = digest
    if name.endswith(DATA) and name not in man.OWN_FILES:
        return
    if len(data) <= man.LARGEST_FILE:
        check.data[name] = data
    elif name in man.OWN_FILES:
        check.wrong(name, f"is larger than {man.LARGEST_FILE} bytes")


def _manifest(check: _Check) -> man.Manifest | None:
    if man.MANIFEST not in check.data:
        check.text(man.MANIFEST)
        return None
    try:
        return man.parse(check.data[man.MANIFEST])
    except man.ManifestError as error:
        check.wrong(man.MANIFEST, str(error))
        return None


def _files(check: _Check, found: man.Manifest) -> None:
    """Compare the folder with the manifest, both ways."""
    named = {finding.file for finding in check.findings}
    for name, digest in found.files.items():
        if name not in check.digests:
            if name not in named:
                check.wrong(name, "is missing")
        elif check.digests[name] != digest:
            check.wrong(name, "was changed: its SHA-256 is not the manifest's")
    own = man.BESIDE if found.kind == LOCKBOX else {man.MANIFEST, man.SIGNATURE}
    for name in check.digests.keys() - found.files.keys() - own:
        check.wrong(name, "is not in the manifest")
    for name in {man.CERTIFICATE, man.DOCUMENT} - found.files.keys():
        check.wrong(man.MANIFEST, f"does not name {name}")


def _verifier(check: _Check, pinned: Verifier | None) -> Verifier | None:
    """Return the key to judge by: the pinned one, else the enclosed one."""
    from .ledger.note import NoteError, Verifier

    enclosed = check.data.get(man.VKEY, b"").decode("utf-8", "replace").strip()
    if pinned is not None:
        if enclosed and enclosed != str(pinned):
            check.wrong(man.VKEY, "is not the key that you trust")
        return pinned
    if not enclosed:
        check.wrong(man.VKEY, "is missing: the certificate is pending, or was stripped of its key")
        return None
    try:
        return Verifier.parse(enclosed)
    except NoteError as error:
        check.wrong(man.VKEY, error.what)
        return None


def _signature(check: _Check, verifier: Verifier) -> None:
    from .ledger.note import NoteError, open_note

    text = check.text(man.SIGNATURE)
    if text is None:
        return
    try:
        opened = open_note(text, [verifier])
    except NoteError as error:
        check.wrong(man.SIGNATURE, error.what)
        return
    if opened.text != man.signed_text(check.data[man.MANIFEST]):
        check.wrong(man.SIGNATURE, "signs another manifest")


def _entry(check: _Check, found: man.Manifest, verifier: Verifier) -> None:
    """Check that the log holds the entry, and that the entry speaks of this very certificate."""
    if found.ledger is None:
        check.wrong(man.MANIFEST, "says that the ledger entry is pending: no checkpoint covers it yet")
        return
    proof, entry = check.text(man.PROOF), check.text(man.ENTRY)
    if proof is not None and entry is not None:
        _proof(check, found.ledger, verifier, proof, check.data[man.ENTRY])
        _content(check, found, entry)


def _proof(check: _Check, ledger: tuple[str, int, int], verifier: Verifier, text: str, entry: bytes) -> None:
    from .ledger.merkle import leaf_hash, verify_inclusion
    from .ledger.note import NoteError, open_checkpoint

    try:
        proof = log_proof.parse(text)
        checkpoint = open_checkpoint(proof.checkpoint, [verifier])
    except NoteError as error:
        check.wrong(man.PROOF, error.what)
        return
    except ValueError as error:
        check.wrong(man.PROOF, str(error))
        return
    if (checkpoint.origin, proof.index, checkpoint.size) != ledger:
        check.wrong(man.PROOF, "is for another place in the log than the manifest says")
    if not verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.hashes, checkpoint.root):
        check.wrong(man.PROOF, "does not prove that the log holds the entry")


def _content(check: _Check, found: man.Manifest, text: str) -> None:
    """The entry must name the act and the digest of certificate.json; that in turn the same act."""
    entry, certificate = (
        _mapping(text),
        _mapping(check.data.get(man.CERTIFICATE, b"").decode("utf-8", "replace")),
    )
    digest = sha256(check.data.get(man.CERTIFICATE, b"")).hexdigest()
    if entry.get("object") != f"{found.kind}:{found.id}" or entry.get("outcome") != "done":
        check.wrong(man.ENTRY, "records another act than the manifest names")
    detail = entry.get("detail")
    if not isinstance(detail, dict) or detail.get("certificate") != digest:
        check.wrong(man.ENTRY, "records another certificate than certificate.json")
    if certificate.get("id") != found.id or certificate.get("kind") != found.kind:
        check.wrong(man.CERTIFICATE, "certifies another act than the manifest names")
    _people(check, certificate.get("subjects"))


def _people(check: _Check, subjects: Any) -> None:
    """The list of people beside a certificate about many must be the one that certificate.json names."""
    name = subjects.get("list") if isinstance(subjects, dict) else None
    if isinstance(name, str) and check.digests.get(name) != subjects.get("list_sha256"):
        check.wrong(name, "is not the list of people that certificate.json names")


def _approval(check: _Check, found: man.Manifest, trusted: Sequence[str]) -> None:
    """What approved the act must be good by itself, and be about this very act."""
    from .approval.checking import problems

    stated = _mapping(check.data.get(man.CERTIFICATE, b"").decode("utf-8", "replace"))
    tenant = stated.get("tenant")
    act = {
        "action": ACTIONS.get(found.kind, found.kind),
        "plan": stated.get("plan"),
        "tenant": tenant.get("slug") if isinstance(tenant, dict) else None,
        "requested_by": stated.get("requested_by"),
    }
    for what in problems(stated.get("approval"), act, trusted):
        check.wrong(man.CERTIFICATE, what)


def _request(check: _Check) -> None:
    """What is said of the request that an act carried out must agree with the calendar and with the act."""
    from .request.stating import problems

    stated = _mapping(check.data.get(man.CERTIFICATE, b"").decode("utf-8", "replace"))
    if stated.get("request") is not None:
        for what in problems(stated["request"], stated.get("completed_at")):
            check.wrong(man.CERTIFICATE, what)


def _review(check: _Check, found: man.Manifest) -> None:
    """The decisions of a review of access must lead from its snapshot to what is certified."""
    from .access.review.chain import KIND, problems

    if found.kind == KIND:
        stated = _mapping(check.data.get(man.CERTIFICATE, b"").decode("utf-8", "replace"))
        for file, what in problems(stated, check.data):
            check.wrong(file, what)


def _lockbox(check: _Check, found: man.Manifest, verifier: Verifier | None, head: str | None) -> str | None:
    """Check what a lockbox has besides; returns the digest of the last entry of its custody log."""
    if found.kind != LOCKBOX:
        if head is not None:
            check.wrong(man.MANIFEST, "is of no lockbox, so there is no custody log")
        return None
    from .log.evidence.checking import Box, Check, opens_in, opens_zip

    archive = check.folder.is_file()
    with opens_zip(check.folder) if archive else nullcontext(opens_in(check.folder)) as opens:
        box = Check(Box(opens, check.digests, found, check.data, verifier, head))
        box.run()
    told = {finding.file for finding in check.findings}
    for file, what in box.findings:
        if not (what == "is missing" and file in told):
            check.wrong(file, what)
    return box.custody


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
