"""Checking what a certificate says of an approval: offline, by request, answers and keys alone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import LuactlError
from .document import Request, is_good, parse


def said(stated: Mapping[str, Any] | None) -> str:
    """Return for people what a certificate states of an approval."""
    if stated is None:
        return "no approval was asked for"
    people = ", ".join(answer["person"] for answer in stated["answers"])
    return f"{people} (request {stated['id']})"


def problems(stated: object, act: Mapping[str, str | None], trusted: Collection[str] = ()) -> Iterator[str]:
    """Yield what is wrong with an approval of a certificate; nothing: it is good.

    `act` has what the certified act is: action, plan (digest), tenant (slug) and requested_by. With `trusted`
    (verifier keys) only these count. None as `stated` is no approval, which is wrong when keys are trusted.
    """
    if stated is None:
        if trusted:
            yield "states no approval, although approvers' keys were given"
        return
    try:
        yield from _problems(_mapping(stated), act, trusted)
    except (KeyError, TypeError, AttributeError):
        yield "states an approval that is malformed"
    except LuactlError as error:
        yield f"states an approval that is none: {error.what}"


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _problems(
    stated: dict[str, Any], act: Mapping[str, str | None], trusted: Collection[str]
) -> Iterator[str]:
    body = str(stated["request"]).encode()
    request = parse(body)
    yield from _about(request, act)
    people = set()
    for answer in stated["answers"]:
        person, vkey = str(answer["person"]), str(answer["vkey"])
        if not is_good(str(answer["note"]), vkey, body, granted=True):
            yield f"states an approval by {person} that is not what their key signed"
        elif trusted and vkey not in trusted:
            yield f"states an approval by {person} with a key that you do not trust"
        else:
            people.add(person)
    if len(people) < max(int(stated["needed"]), 1):
        yield f"lacks good approvals: {len(people)} of {stated['needed']}"


def _about(request: Request, act: Mapping[str, str | None]) -> Iterator[str]:
    """Compare the request with the act that is certified."""
    said = {
        "action": request.action,
        "plan": request.exact.get("plan"),
        "tenant": request.tenant,
        "requested_by": request.requested_by,
    }
    for name, value in act.items():
        if said[name] != value:
            yield f"states an approval of another act: {name} is {said[name]!r}, not {value!r}"
