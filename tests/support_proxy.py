"""A TCP proxy on the loopback that can do to a connection what networks do: cut it, swallow it, be silent."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

ADDRESS = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)
PATIENCE = 60.0


@dataclass(eq=False)
class Pair:
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    swallowing: Callable[[], object] | None = None
    """What happens when the next answer is there, which is thrown away, and the connection with it."""
    cut_off: Event = field(default_factory=Event)

    def cut(self) -> None:
        """End it at both sides, without a word of TLS or Postgres."""
        if self.cut_off.is_set():
            return
        self.cut_off.set()
        for side in (self.client, self.server):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.shutdown(socket.SHUT_RDWR)

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what one side says until it ends."""
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.swallowing and source is self.server:
                    self.swallowing()
                    break
                target.sendall(data)
        self.cut()


@dataclass(eq=False)
class Proxy:
    """Listens on a port of its own; every connection to it is passed on, until somebody says otherwise."""

    target: int
    listener: socket.socket
    refuses: str | None = None
    """What happens to new connections: `reset`, `silent`; None: they are passed on."""
    pairs: list[Pair] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def living(self) -> list[Pair]:
        """Return the connections that pass now, the oldest first."""
        with self.lock:
            return [pair for pair in self.pairs if not pair.cut_off.is_set()]

    def swallow(self, then: Callable[[], object] = lambda: None) -> None:
        """Have the next answer of the server lost, with its connection; when it is there, do `then`."""
        begun = Lock()

        def once() -> None:
            if begun.acquire(blocking=False):
                then()

        for pair in self.living():
            pair.swallowing = once

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _peer = self.listener.accept()
                if self.refuses == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    client.close()
                elif self.refuses == "silent":
                    self.held.append(client)
                else:
                    self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        try:
            pair = Pair(client, socket.create_connection((ADDRESS, self.target)))
        except ConnectionRefusedError:
            client.close()
            return
        with self.lock:
            self.pairs.append(pair)
        for way in ((pair.client, pair.server), (pair.server, pair.client)):
            self.run(Thread(target=pair.pump, args=way))

    def run(self, thread: Thread) -> None:
        """Start a thread that is waited for at the end."""
        self.threads.append(thread)
        thread.start()


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """Run a proxy in front of a port of this host."""
    with socket.create_server((ADDRESS, 0)) as listener:
        made = Proxy(target, listener)
        made.run(Thread(target=made.serve))
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for pair in made.pairs:
                pair.cut()
            for thread in made.threads:
                thread.join(PATIENCE)
            for one in (*made.held, *(side for pair in made.pairs for side in (pair.client, pair.server))):
                one.close()
