"""Anchors that are a syslog: one line for each checkpoint (RFC 5424), to a socket or over the network.

`syslog:/dev/log` is a Unix socket; `syslog:udp://HOST:PORT` and `syslog:tcp://HOST:PORT` another host, TCP
with octet counting (RFC 6587). A syslog cannot be asked what it has: the line holds everything that a signed
note has, so whoever keeps the logs can rebuild the note and check it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import UsageError
from . import handed
from .anchor import AnchorError, Known, Record
from .note import Checkpoint, Verifier

PRIORITY = 10 * 8 + 5
"""Facility authpriv, severity notice."""
SECONDS = 10.0
_REMOTE = re.compile(r"(udp|tcp)://(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+):([0-9]{1,5})")


@dataclass(frozen=True)
class SyslogAnchor:
    """A syslog that checkpoints are written to; what it got is remembered on this host alone."""

    name: str
    memory: Path
    """Where this host keeps what it handed over (`handed`)."""

    def create(self) -> None:
        """Nothing is made: a syslog is there or it is not."""

    def missing(self) -> bool:
        """Whether it is not there at all, as far as one can see from here."""
        rest = self.name.partition(":")[2]
        return rest.startswith("/") and not Path(rest).exists()

    def newest(self, verifier: Verifier) -> Known:
        """Return what this host handed over last: the syslog itself cannot be asked."""
        return Known(handed.newest(self.memory, self.name, verifier), told=False)

    def records(self) -> Iterator[Record]:
        """Yield what this host handed over last."""
        note = handed.notes(self.memory).get(self.name)
        if note is not None:
            yield Record(note, True)

    def hand_over(self, checkpoint: Checkpoint) -> None:
        """Send one line, and remember that. Raises AnchorError."""
        try:
            _send(self.name.partition(":")[2], line(checkpoint, datetime.now(UTC)))
            handed.remember(self.memory, self.name, checkpoint)
        except OSError as error:
            raise AnchorError(
                f"anchor {self.name} cannot be written: {error.strerror or error}",
                hint="does the syslog run, and does it listen there?",
            ) from error


def line(checkpoint: Checkpoint, at: datetime) -> bytes:
    """Return the RFC 5424 line: origin, size, root and signature of the note, separated by spaces."""
    signature = checkpoint.note.rstrip("\n").rpartition(" ")[2]
    _origin, size, root = checkpoint.text().rstrip("\n").split("\n")
    when, host = at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), socket.gethostname() or "-"
    said = f"{checkpoint.origin} {size} {root} {signature}"
    return f"<{PRIORITY}>1 {when} {host} luactl {os.getpid()} checkpoint - {said}".encode()


def note_of(said: str) -> str:
    """Rebuild the signed note from the end of such a line. Raises ValueError when it is none."""
    origin, size, root, signature = said.split(" ")[-4:]
    return f"{origin}\n{size}\n{root}\n\n— {origin} {signature}\n"


def _send(target: str, said: bytes) -> None:
    remote = _REMOTE.fullmatch(target)
    if remote is None:
        _send_here(target, said)
    elif remote[1] == "tcp":
        with socket.create_connection((remote[2].strip("[]"), int(remote[3])), SECONDS) as there:
            there.sendall(b"%d %s" % (len(said), said))
    else:
        family, kind, number, _name, address = socket.getaddrinfo(
            remote[2].strip("[]"), int(remote[3]), type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, number) as there:
            there.settimeout(SECONDS)
            there.sendto(said, address)


def _send_here(path: str, said: bytes) -> None:
    """Send to a Unix socket, which may take datagrams or a stream of lines."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.settimeout(SECONDS)
        try:
            there.connect(path)
        except OSError as error:
            if error.errno != 91:  # EPROTOTYPE: a stream
                raise
        else:
            there.sendall(said)
            return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as there:
        there.settimeout(SECONDS)
        there.connect(path)
        there.sendall(said + b"\n")


def check(target: str) -> None:
    """Raise UsageError unless this names a socket or a host with a port."""
    remote = _REMOTE.fullmatch(target)
    if not target.startswith("/") and (remote is None or not 0 < int(remote[3]) < 65536):
        raise UsageError(
            f"no such syslog: {target}",
            hint="write syslog:/dev/log, syslog:udp://HOST:PORT or syslog:tcp://HOST:PORT",
        )
