"""Prepares records in a second process while the first one seals and writes.

The child is forked, reads the table, and only ever talks to its parent, through one pipe. Where there is no
fork, where this process has threads, or where the table is short, the same work is done in place.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, TypeVar

from ..errors import LuactlError

SHORT = 5_000
Item = TypeVar("Item")


def ahead(items: Iterator[Item], length: int) -> Iterator[Item]:
    """Yield the items, made in another process if `length` (roughly how many records) is worth it.

    Whatever the making raises is raised here. The other process ends when this iterator does.
    """
    if length < SHORT or not hasattr(os, "fork") or threading.active_count() > 1:
        yield from items
        return
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _serve(items, write_end)
    os.close(write_end)
    try:
        with open(read_end, "rb", buffering=1 << 20) as pipe:  # noqa: PTH123
            yield from _receive(pipe)
    finally:
        os.waitpid(child, 0)


def _serve(items: Iterator[Item], write_end: int) -> None:
    """Send every item, then leave without the parent's clean-up: its connection is not ours to close."""
    try:
        with open(write_end, "wb", buffering=1 << 20) as pipe:
            try:
                for item in items:
                    pickle.dump((item, None), pipe, 5)
                pickle.dump((None, None), pipe, 5)
            except BrokenPipeError:
                pass  # the parent has stopped reading, and tells the reason itself
            except Exception as error:
                pickle.dump((None, error), pipe, 5)
    finally:
        os._exit(0)


def _receive(pipe: BinaryIO) -> Iterator[Item]:
    with closing(pipe):
        while True:
            try:
                item, error = pickle.load(pipe)
            except EOFError:
                raise LuactlError(
                    "the process that read the table died", hint="repeat the command: what is in stays in"
                ) from None
            if error is not None:
                raise error
            if item is None:
                return
            yield item
