"""A Typer program that does nothing else, with the same plain help as luactl: the floor of start-up."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("list")
def list_() -> None:
    """List things."""


@app.command()
def show() -> None:
    """Show one thing."""


if __name__ == "__main__":
    app()
