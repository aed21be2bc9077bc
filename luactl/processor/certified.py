"""What a certificate says to people of processors that were told. Pure."""

from __future__ import annotations

from typing import Any

from ..certificate.markdown import table

HEAD = ("Processor", "Service", "Country", "Told", "Deleted, as it says")


def section(stated: dict[str, Any]) -> list[str]:
    """Return the lines about processors; none of a certificate from before there was a register."""
    if "processors" not in stated:
        return []
    rows = [
        (
            one["processor"],
            one["service"],
            one["country"],
            one["told_at"] or "still to be told",
            f"{one['deleted_on']} ({one['confirmation']})" if one["deleted_on"] else "not confirmed yet",
        )
        for one in stated["processors"]
    ]
    found = table(HEAD, rows) if rows else ["None was in use for the tenant.", ""]
    at = stated.get("processors_at", stated["completed_at"])
    return ["## Processors", "", f"As of {at}.", "", *found]
