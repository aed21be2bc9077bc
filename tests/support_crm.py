"""What the tests of the crm commands share: a tenant, tables written on the spot, the shared data."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest

from luactl.db import Session
from luactl.tenant import NewTenant, Tenant, create, find

PEOPLE = """CustomerId,FirstName,LastName,Company,Email,Phone,City
1,Nele,Ångström,Zahnpraxis Süd,nele@praxis.example,+49 30 901820,Köln
2,Bruno,Oliveira,,bruno@loja.example,,São Paulo
3,Zoë,O'Hara,,zoe@studio.example,+353 1 679 9700,Dublin
"""


def new_tenant(session: Session, slug: str = "smile") -> Tenant:
    """Create a tenant in Germany and return it."""
    create(session, NewTenant(slug, f"Practice {slug}", "DE", "office@smile.example"))
    return find(session, slug)


def table(text: str, encoding: str = "utf-8") -> BytesIO:
    """Return a table as the byte stream that standard input would be."""
    return BytesIO(text.encode(encoding))


def chinook() -> Path:
    """Return the folder of the Chinook tables, or skip the test."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LUACTL_SHARED_DATA", default)) / "chinook"
    if not folder.is_dir():
        pytest.skip(f"no Chinook tables in {folder}; LUACTL_SHARED_DATA names the folder above")
    return folder
