"""The part of the story of all commands about requests of data subjects (see support_story_table.py)."""

from __future__ import annotations

from support_story import Case, Rule, T, rows

RECEIVED = ("--received", "2026-01-05")
CHANGED = Rule("lua.request", "update", "request.identify")

REQUESTS: dict[str, tuple[Case, ...]] = {
    "request add": (
        Case(
            lambda w: (*T, "--right", "erasure", "--reference", "T-12", *RECEIVED),
            (Rule("lua.request", "insert", "request.add"),),
            keep=lambda w, data: w.seen.update(request_of_3=data["request_id"]),
        ),
        Case(
            lambda w: (*T, "--right", "access", "--reference", "T-13", *RECEIVED),
            (Rule("lua.request", "insert", "request.add"),),
            keep=lambda w, data: w.seen.update(request_of_2=data["request_id"]),
        ),
    ),
    "request identify": (
        Case(
            lambda w: (w.seen["request_of_3"], "--subject", w.people["3"], "--how", "card", "--note", "-"),
            (CHANGED,),
            stdin=b"wants to be forgotten\n",
            anew=True,
        ),
        Case(
            lambda w: (w.seen["request_of_2"], "--subject", w.people["2"], "--how", "card", "--note", "-"),
            (CHANGED,),
            stdin=b"wants a copy\n",
            anew=True,
        ),
    ),
    "request show": (
        Case(lambda w: (w.seen["request_of_2"],)),
        Case(
            lambda w: (w.seen["request_of_2"], "--purpose", "answering"),
            opens=lambda data: [data["subject_id"]],
        ),
    ),
    "request extend": (
        Case(
            lambda w: (w.seen["request_of_2"], "--reason", "many files", "--told", "2026-01-09"),
            (Rule("lua.request", "update", "request.extend"),),
            again=5,
        ),
    ),
    "request close": (
        Case(
            lambda w: (w.seen["request_of_2"], "--outcome", "answered", "--reason", "letter"),
            (Rule("lua.request", "update", "request.close"),),
            again=5,
        ),
    ),
    "request list": (Case(), Case(lambda w: (*T, "--closed"))),
}
ANSWERED = (Rule("lua.request", "update", "request.close"),)
"""What an erasure leaves that carries out a request, beside its own entries."""
BOUND = rows("lua.erasure_batch", "lua.erasure_subject")
