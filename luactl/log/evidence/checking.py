"""Checking a lockbox offline, past what every certificate is checked for: `luactl verify` asks here.

Each line of the timeline is held against what it comes from: an entry of the ledger against its signed bytes
and their proof, the line of a server against the bytes that it names. Every byte of every file belongs to
some line. Files are read once, in step, a line at a time.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...certificate import manifest as man
from .custody import Taken, read
from .facts import CHECKPOINT, FORMAT, GAPS, LINES, PROOFS
from .normalised import FIELDS, MORE, differing

if TYPE_CHECKING:
    from ...ledger.note import Checkpoint, Verifier

LONGEST_LINE = 256 << 20
"""Bytes of one line of a file: a record of a log can be 64 MiB long."""
CHUNK = 1 << 20
MOST_TOLD = 20
"""Findings told of one file."""
Opens = Callable[[str], BinaryIO]
"""Opens a file of the lockbox by its name; raises OSError."""


@dataclass(frozen=True)
class Box:
    """What is known of a lockbox when its files were hashed."""

    opens: Opens
    digests: Mapping[str, str]
    """SHA-256 of each file that is there."""
    manifest: man.Manifest
    small: Mapping[str, bytes]
    """The files that are no data."""
    verifier: Verifier | None
    head: str | None
    """The digest of an entry of the custody log that somebody wrote down."""


def _stated(raw: bytes) -> dict[str, Any] | None:
    """Return what a certificate says of its lockbox; None for one that says nothing of the kind."""
    try:
        found: dict[str, Any] = json.loads(raw)
        known = found["format"] == FORMAT and isinstance(found["tenants"], dict)
        listed = [(one["name"], one["sha256"], one["rows"]) for one in found["files"]]
        counted = all(type(found[one]) is int for one in ("entries", "lines", "raw", "gaps"))
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    return found if known and listed and counted else None


class Check:
    """One check of one lockbox."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._told: Counter[str] = Counter()
        self.findings: list[tuple[str, str]] = []
        self.custody: str | None = None
        """Digest of the last entry of the custody log."""

    def run(self) -> None:
        """Find everything that is wrong."""
        facts = self._facts()
        self._sums()
        self._custody(facts)
        if facts is None:
            return
        self._listed(facts)
        needed = {LINES, PROOFS} - self._box.digests.keys()
        if not needed:
            with ExitStack() as stack:
                self._timeline(facts, stack)

    def wrong(self, file: str, what: str) -> None:
        """Keep a finding, as far as there are not too many of that file."""
        self._told[file] += 1
        if self._told[file] <= MOST_TOLD:
            self.findings.append((file, what))

    def _facts(self) -> dict[str, Any] | None:
        found = _stated(self._box.small.get(man.CERTIFICATE, b""))
        if found is None:
            self.wrong(man.CERTIFICATE, "does not state a lockbox")
        return found

    def _sums(self) -> None:
        expected = man.sums(self._box.small[man.MANIFEST], self._box.manifest.files)
        if man.SUMS not in self._box.small:
            self.wrong(man.SUMS, "is missing")
        elif self._box.small[man.SUMS] != expected:
            self.wrong(man.SUMS, "was changed: it is not the list of the manifest")

    def _custody(self, facts: Mapping[str, Any] | None) -> None:
        if man.CUSTODY not in self._box.small:
            self.wrong(man.CUSTODY, "is missing")
            return
        found = list(read(self._box.small[man.CUSTODY], self._box.small.get(man.CERTIFICATE, b"")))
        steps = [one for one in found if isinstance(one, Taken)]
        for one in found:
            if isinstance(one, str):
                self.wrong(man.CUSTODY, one)
        if steps and facts is not None and steps[0].number == 1 and steps[0].by != facts.get("made_by"):
            self.wrong(man.CUSTODY, "begins with somebody else than who collected it")
        if self._box.head is not None and self._box.head not in {one.sha256 for one in steps}:
            self.wrong(man.CUSTODY, "lacks the entry that you know: entries were cut off or replaced")
        self.custody = steps[-1].sha256 if steps else None

    def _listed(self, facts: Mapping[str, Any]) -> None:
        """What certificate.json says of the data, whose digest the ledger holds, must be what is there."""
        listed = {one["name"]: one["sha256"] for one in facts["files"]}
        for name, digest in listed.items():
            if name in self._box.digests and self._box.digests[name] != digest:
                self.wrong(name, "is not the file that certificate.json names")
            elif name not in self._box.manifest.files:
                self.wrong(name, "is named by certificate.json and not by the manifest")
        for name in self._box.manifest.files.keys() - listed.keys() - man.OWN_FILES:
            self.wrong(name, "is not named by certificate.json")

    # -- the timeline ----------------------------------------------------------------------------------------

    def _timeline(self, facts: Mapping[str, Any], stack: ExitStack) -> None:
        """Read timeline, proofs and bytes in step."""
        checkpoint, raws = self._checkpoint(facts), _Raws(self, self._box.opens, stack)
        count: Counter[str] = Counter()
        before = ""
        with self._reading(PROOFS) as proofs, self._reading(LINES) as lines:
            for number, said in enumerate(lines, 1):
                if not _is_line(said):
                    self.wrong(LINES, f"line {number} is none of a timeline")
                    continue
                count[said["kind"]] += 1
                count["raw"] += said["raw"] is not None
                at = said["at"].removesuffix("Z")
                if at < before:
                    self.wrong(LINES, f"line {number} is older than the one before it")
                before = at
                if said["kind"] == "ledger":
                    self._entry(number, said, proofs, facts["tenants"], checkpoint)
                elif (said["raw"] is None) == (said["missing"] is None):
                    self.wrong(LINES, f"line {number} does not say where its bytes are, or why nowhere")
                elif said["raw"] is not None:
                    raws.meet(number, said["raw"])
            if next(proofs, None) is not None:
                self.wrong(PROOFS, "proves more entries than the timeline has")
        raws.finish({one["name"] for one in facts["files"]})
        self._counts(facts, count)

    def _counts(self, facts: Mapping[str, Any], count: Counter[str]) -> None:
        found = {"entries": count["ledger"], "lines": count["line"], "raw": count["raw"]}
        if GAPS in self._box.digests:
            with self._reading(GAPS) as gaps:
                found["gaps"] = sum(1 for _gap in gaps)
        for name, number in found.items():
            if facts[name] != number:
                file = GAPS if name == "gaps" else LINES
                self.wrong(file, f"has {number} {name}, and certificate.json says {facts[name]}")

    def _checkpoint(self, facts: Mapping[str, Any]) -> Checkpoint | None:
        """Return the checkpoint that entries are proved under, if the key that is trusted signed it."""
        from ...ledger.note import NoteError, open_checkpoint

        if facts.get("checkpoint") is None or CHECKPOINT not in self._box.digests:
            return None
        if self._box.verifier is None:
            return None
        try:
            with self._box.opens(CHECKPOINT) as file:
                note = file.read(man.LARGEST_FILE).decode("utf-8")
            found = open_checkpoint(note, [self._box.verifier])
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(CHECKPOINT, f"cannot be read: {error}")
            return None
        except NoteError as error:
            self.wrong(CHECKPOINT, error.what)
            return None
        if found.size != facts["checkpoint"].get("size"):
            self.wrong(CHECKPOINT, "is another one than certificate.json says")
        return found

    def _entry(
        self, number: int, said: Mapping[str, Any], proofs: Iterator[Any], tenants: Mapping[str, Any],
        checkpoint: Checkpoint | None,
    ) -> None:  # fmt: skip
        """Hold an entry of the ledger against its signed bytes, and these against the checkpoint."""
        proof: Any = next(proofs, None)
        try:
            body, index, hashes = proof["body"].encode(), proof["index"], proof["hashes"]
            if proof["id"] != said["id"] or index != said["index"] or (index is None) != (hashes is None):
                self.wrong(PROOFS, f"proves another entry than line {number} of {LINES}")
                return
            siblings = None if hashes is None else [base64.b64decode(one, validate=True) for one in hashes]
        except (KeyError, TypeError, AttributeError, UnicodeEncodeError, binascii.Error, ValueError):
            self.wrong(PROOFS, f"has no proof for line {number} of {LINES}")
            return
        if wrong := differing(said, body, tenants):
            self.wrong(LINES, f"line {number} differs from what was signed: {', '.join(wrong)}")
        if siblings is not None and checkpoint is not None:
            self._proved(number, body, index, siblings, checkpoint)

    def _proved(
        self, number: int, body: bytes, index: Any, siblings: list[bytes], checkpoint: Checkpoint
    ) -> None:
        from ...ledger.merkle import leaf_hash, verify_inclusion

        is_index = type(index) is int
        if not is_index or not verify_inclusion(
            index, checkpoint.size, leaf_hash(body), siblings, checkpoint.root
        ):
            self.wrong(PROOFS, f"does not prove that the log holds the entry of line {number} of {LINES}")

    @contextmanager
    def _reading(self, name: str) -> Iterator[Iterator[Any]]:
        """Give the JSON lines of a file; where it cannot be read on is a finding, and its end."""
        try:
            file = self._box.opens(name)
        except OSError as error:
            self.wrong(name, f"cannot be read: {error}")
            yield iter(())
            return
        with file:
            yield self._objects(name, file)

    def _objects(self, name: str, file: BinaryIO) -> Iterator[Any]:
        number = 0
        while True:
            number += 1
            try:
                line = file.readline(LONGEST_LINE + 1)
                if not line:
                    return
                if not line.endswith(b"\n"):
                    raise ValueError("no end")
                yield json.loads(line)
            except (ValueError, RecursionError):
                self.wrong(name, f"line {number} is no JSON, or has no end")
                return
            except UNREADABLE as error:
                self.wrong(name, f"cannot be read from line {number} on: {error}")
                return


def _unreadable() -> tuple[type[Exception], ...]:
    """What files raise, in a .zip too, that are damaged."""
    import zipfile
    import zlib

    return (OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error)


UNREADABLE = _unreadable()


class _Raws:
    """The files of bytes, each read from its beginning, a record at a time."""

    def __init__(self, check: Check, opens: Opens, stack: ExitStack) -> None:
        self._check, self._opens, self._stack = check, opens, stack
        self._at: dict[str, tuple[BinaryIO | None, int]] = {}

    def meet(self, number: int, raw: Any) -> None:
        """Hold a line against the bytes that it names: the next ones of their file."""
        try:
            name, offset, length, digest = (raw[key] for key in ("file", "offset", "length", "sha256"))
        except (KeyError, TypeError):
            name = offset = length = digest = None
        if not isinstance(name, str) or type(offset) is not int or type(length) is not int or length < 1:
            self._check.wrong(LINES, f"line {number} does not say where its bytes are")
            return
        file, place = self._file(name)
        if file is None:
            return
        if offset != place:
            self._check.wrong(name, f"has bytes, at {min(offset, place)}, that no line names, or two do")
            self._at[name] = None, 0
            return
        found, read = _digest(file, length)
        self._at[name] = file, place + read
        if found != digest:
            self._check.wrong(name, f"does not hold at {offset} what line {number} of {LINES} comes from")

    def _file(self, name: str) -> tuple[BinaryIO | None, int]:
        if name not in self._at:
            self._at[name] = None, 0
            with suppress(OSError):  # it is missing, which is told
                self._at[name] = self._stack.enter_context(self._opens(name)), 0
        return self._at[name]

    def finish(self, listed: set[str]) -> None:
        """See that no file has more than the lines name, and that none is there for no line."""
        for name, (file, _place) in self._at.items():
            if file is not None and _digest(file, 1)[1]:
                self._check.wrong(name, "has bytes at its end that no line names")
        for name in listed - self._at.keys() - {LINES, PROOFS, GAPS, CHECKPOINT}:
            self._check.wrong(name, "holds bytes that no line names")


def _digest(file: BinaryIO, length: int) -> tuple[str, int]:
    """Return the SHA-256 of the next bytes, in hex, and how many there were of them."""
    digest, left = sha256(), length
    try:
        while left and (chunk := file.read(min(left, CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    except UNREADABLE:
        return "", length - left
    return digest.hexdigest(), length - left


def _is_line(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and said.keys() == {*FIELDS, *MORE}
        and isinstance(said["at"], str)
        and said["kind"] in ("ledger", "line")
    )


def opens_in(folder: Path) -> Opens:
    """Return what opens the plain files of a folder, following no link."""
    import os

    def opens(name: str) -> BinaryIO:
        return os.fdopen(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")

    return opens


@contextmanager
def opens_zip(path: Path) -> Iterator[Opens]:
    """Give what opens the files of a .zip."""
    import zipfile

    with zipfile.ZipFile(path) as archive:

        def opens(name: str) -> BinaryIO:
            try:
                return archive.open(name)  # type: ignore[return-value]
            except UNREADABLE as error:
                raise OSError(str(error)) from error

        yield opens
