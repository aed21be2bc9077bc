"""A holder as a program (docs/reference/holder-protocol.md), and every way in which one can misbehave.

    holder_program.py FOLDER [MODE [VERB]]

Keeps its slots in FOLDER; MODE is how it misbehaves (a file FOLDER/mode goes before it), VERB when.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

NOT_THERE, THERE_ALREADY, BUSY, REFUSED = 10, 11, 12, 13
EFFECTIVE = "2031-01-02T03:04:05+00:00"


def request() -> tuple[str, dict[str, str]]:
    lines = sys.stdin.read().split("\n")
    assert lines[0] == "luactl-holder 1"
    assert lines[-2:] == ["end", ""]
    return lines[1], dict(line.split(" ", 1) for line in lines[2:-2])


def answer(*lines: str) -> None:
    sys.stdout.write("\n".join(("luactl-holder 1", *lines, "end", "")))


def misbehave(mode: str, folder: Path) -> None:
    if mode == "crash":
        os.kill(os.getpid(), 9)
    if mode == "fail":
        sys.stderr.write(f"cannot: {sys.stdin.read()}")
        raise SystemExit(1)
    if mode == "garbage":
        sys.stdout.write("Welcome to the holder\n")
        raise SystemExit(0)
    if mode == "binary":
        sys.stdout.buffer.write(b"\xff\xfe\x00")
        raise SystemExit(0)
    if mode == "torn":
        sys.stdout.write("luactl-holder 1\nepoch 1\n")
        raise SystemExit(0)
    if mode == "unknown":
        answer("certainly")
        raise SystemExit(0)
    if mode == "flood":
        while True:
            sys.stdout.write("x" * 4096)
    if mode == "hang":
        if os.fork() == 0:  # what it started hangs, too
            (folder / "child").write_text(str(os.getpid()))
        time.sleep(600)
    if mode == "busy":
        sys.stderr.write("the vault is sealed\n")
        raise SystemExit(BUSY)
    if mode == "refuse":
        raise SystemExit(REFUSED)


def put(folder: Path, what: dict[str, str], mode: str) -> None:
    slot = folder / what["epoch"]
    if slot.exists():
        raise SystemExit(THERE_ALREADY)
    if mode != "loses":
        slot.write_text(what["root"] if mode != "alters" else what["root"][:-8] + "AAAAAAAA")
    answer("stored")


def destroy(folder: Path, what: dict[str, str], mode: str) -> None:
    slot = folder / what["epoch"]
    if mode == "keeps":
        answer("destroyed")
        return
    if mode == "hides":
        slot.rename(folder / f"hidden-{slot.name}")
        answer("destroyed")
        return
    if mode in ("schedules", "whenever"):
        slot.unlink(missing_ok=True)
        answer(f"scheduled {EFFECTIVE if mode == 'schedules' else 'soon'}")
        return
    if not slot.exists():
        raise SystemExit(NOT_THERE)
    slot.unlink()
    answer("destroyed")


def main(folder: Path, mode: str = "", verb: str = "") -> None:
    if (folder / "mode").exists():
        mode, _, verb = (folder / "mode").read_text().partition(" ")
    if mode and not verb:
        misbehave(mode, folder)
    asked, what = request()
    if mode and asked == verb:
        misbehave(mode, folder)
    if asked == "describe":
        answer("about a folder of a test", "level purge")
    elif asked == "list":
        answer(*(f"epoch {slot.name}" for slot in folder.iterdir() if slot.name.isdigit()))
    elif asked == "put":
        put(folder, what, mode)
    elif asked == "get":
        slot = folder / what["epoch"]
        hidden = folder / f"hidden-{what['epoch']}"
        if not slot.exists() and not hidden.exists():
            raise SystemExit(NOT_THERE)
        answer(f"root {(slot if slot.exists() else hidden).read_text()}")
    elif asked == "destroy":
        destroy(folder, what, mode)
    else:
        raise SystemExit(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
