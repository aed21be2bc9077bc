"""Converts plain values (text, numbers, paths, choices) without loading pydantic; refuses what is no text.

Typer builds a pydantic adapter for each parameter, at about 0.1 s a run. Most parameters are text;
what is not plain is left to Typer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer._coercion import RuntimeParam, TypeDescriptor


@dataclass(frozen=True)
class PlainParam(RuntimeParam):
    """Converts one value, or each of several, with `kind`."""

    kind: type
    names_file: bool
    """Whether bytes that are no text may stand in it: file names are bytes."""

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(self._one(item, param, ctx) for item in value)
        return self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, str) and not self._is_text(value):
            raise typer.BadParameter("that is no text in UTF-8", ctx=ctx, param=param)
        if isinstance(value, self.kind) and self.kind is not int:
            return value
        try:
            made = self.kind(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r} is not a whole number", ctx=ctx, param=param) from None
        if isinstance(made, int) and not self._in_range(made):
            raise typer.BadParameter(f"{value} is out of range", ctx=ctx, param=param)
        return made

    def _is_text(self, value: str) -> bool:
        lone = not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)
        return "\x00" not in value and (self.names_file or not lone)

    def _in_range(self, number: int) -> bool:
        low, high = self.parameter_info.min, self.parameter_info.max
        return (low is None or number >= low) and (high is None or number <= high)


def _plain_kind(descriptor: TypeDescriptor) -> type | None:
    info = descriptor.parameter_info
    if info.parser is not None or descriptor.is_choice or descriptor.is_file or descriptor.is_tuple:
        return None
    kind = descriptor.annotation
    if descriptor.is_list:
        kind = kind.__args__[0]
    if kind is Path:
        checks = (info.exists, info.resolve_path, info.readable is False, info.writable)
        return None if any(checks) or info.path_type else Path
    return kind if kind in (str, int) or (kind is bool and info.envvar is None) else None


def make_plain(param: Any) -> None:
    """Give a parameter the quick conversion if its type allows; otherwise leave it alone."""
    kind = _plain_kind(param.type_descriptor)
    if kind is not None:
        descriptor = param.type_descriptor
        info = descriptor.parameter_info
        names_file = kind is Path or "FILE" in (info.metavar or "")
        param._runtime_param = PlainParam(info, descriptor.annotation, kind, names_file)
