"""A Typer program that lists the tenants over psycopg and nothing else; the DSN comes in BENCH_DSN."""

from __future__ import annotations

import os

import psycopg
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
TENANTS = "SELECT slug, name, country, status, created_at FROM lua.tenant WHERE tenant_id = %s"


@app.command()
def main() -> None:
    """List the tenants."""
    with psycopg.connect(os.environ["BENCH_DSN"]) as conn:
        rows = conn.execute("SELECT tenant_id FROM lua.tenant").fetchall()
    for row in rows:
        print(*row, sep="\t")


if __name__ == "__main__":
    app()
