"""A mail server for tests, on every local address: what it was given, and how it answers."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Post:
    """A mail server for a test: what it was given, and how it answers."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    answer: str = "250 ok"
    is_wrapped: bool = False


class Talk(socketserver.StreamRequestHandler):
    """One conversation, in the words of RFC 5321."""

    def handle(self) -> None:
        post: Post = self.server.post  # type: ignore[attr-defined]
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            post.said.append(line)
            word = line.split()[0].upper()
            if word == "EHLO":
                self.say("250-here", "250 AUTH PLAIN")
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (one := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(one)
                if post.answer.startswith("250"):
                    post.mails.append("\n".join(lines))
                self.say(post.answer)
            else:
                self.say({"QUIT": "221 bye", "AUTH": "235 welcome", "STARTTLS": "502 no"}.get(word, "250 ok"))
            if word == "QUIT":
                return

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@contextmanager
def post_office(context: ssl.SSLContext | None = None) -> Iterator[Post]:
    """A mail server on every local address."""
    post = Post(is_wrapped=context is not None)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

        def get_request(self) -> Any:
            taken, address = super().get_request()
            return (taken if context is None else context.wrap_socket(taken, server_side=True)), address

        def handle_error(self, request: Any, client_address: Any) -> None:
            post.said.append("hung up")

    with Server(("0.0.0.0", 0), Talk) as server:
        server.post = post  # type: ignore[attr-defined]
        post.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield post
        finally:
            server.shutdown()
            thread.join()
