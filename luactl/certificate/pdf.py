"""The document of a certificate as PDF, for whoever wants it on paper. The folder is what can be checked.

Sets the little Markdown that certificates are written in: headings, paragraphs, items and tables, in
Helvetica, which every reader has. What that font cannot show is written as its code point.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

WIDTH, HEIGHT, MARGIN = 595.0, 842.0, 50.0
GAP = 6.0
ESCAPED = re.compile(r"\\(.)")
RULE = re.compile(r"\|(-+\|)+")
ROW = re.compile(r"(?<!\\)\|")
ARROWS = str.maketrans({"→": "->", "≤": "<=", "≥": ">="})
# Widths of Helvetica from space to tilde, in thousandths of its size (Adobe font metrics).
_WIDTHS = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278
278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611
722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556
556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
"""
WIDTHS = tuple(map(int, _WIDTHS.split()))
OTHER_WIDTH = 667
"""Of accented letters and signs: rather too much than too little."""


@dataclass
class _Paper:
    """Pages, and where the pen stands on the last one."""

    pages: list[list[bytes]] = field(default_factory=lambda: [[]])
    y: float = HEIGHT - MARGIN

    def need(self, height: float) -> None:
        """Begin a page unless so much is left of this one."""
        if self.y - height < MARGIN:
            self.pages.append([])
            self.y = HEIGHT - MARGIN

    def text(self, x: float, size: float, words: str, *, bold: bool = False) -> None:
        """Write one line at the height of the pen."""
        font = b"/B" if bold else b"/R"
        shown = b"".join(b"\\%03o" % byte for byte in words.encode("cp1252", "backslashreplace"))
        at = b"%.1f %.1f" % (x, self.y - size)
        self.pages[-1].append(b"BT %s %.1f Tf %s Td (%s) Tj ET" % (font, size, at, shown))

    def line(self) -> None:
        """Draw a thin line below what was written."""
        y = self.y - 2
        self.pages[-1].append(b"0.4 w %.1f %.1f m %.1f %.1f l S" % (MARGIN, y, WIDTH - MARGIN, y))


def to_pdf(markdown: str, title: str) -> bytes:
    """Return the PDF of a certificate's document; the same bytes for the same text."""
    import pydyf

    paper = _Paper()
    for block in _blocks(markdown):
        _set(paper, block)
    pdf = pydyf.PDF()
    fonts = {
        name: _add(pdf, pydyf.Dictionary({
            "Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{base}", "Encoding": "/WinAnsiEncoding",
        }))
        for name, base in (("R", "Helvetica"), ("B", "Helvetica-Bold"))
    }  # fmt: skip
    for lines in paper.pages:
        content = _add(pdf, pydyf.Stream(lines, compress=True))
        pdf.add_page(pydyf.Dictionary({
            "Type": "/Page", "Parent": pdf.pages.reference, "Contents": content,
            "MediaBox": pydyf.Array([0, 0, int(WIDTH), int(HEIGHT)]),
            "Resources": pydyf.Dictionary({"Font": pydyf.Dictionary(fonts)}),
        }))  # fmt: skip
    pdf.info["Title"] = pydyf.String(title)
    out = io.BytesIO()
    pdf.write(out)
    return out.getvalue()


def _add(pdf: Any, thing: Any) -> Any:
    pdf.add_object(thing)
    return thing.reference


def _blocks(markdown: str) -> Iterator[str | list[list[str]]]:
    """Yield lines, and tables as lists of rows of cells."""
    rows: list[list[str]] = []
    for line in markdown.splitlines():
        if line.startswith("|"):
            if not RULE.fullmatch(line):
                rows.append([_plain(cell) for cell in ROW.split(line)[1:-1]])
            continue
        if rows:
            yield rows
            rows = []
        if line.strip():
            yield line
    if rows:
        yield rows


def _plain(text: str) -> str:
    """Return what a reader sees of a cell or line."""
    shown = ESCAPED.sub(r"\1", text).strip().translate(ARROWS)
    return "".join(one if _has(one) else f"U+{ord(one):04X}" for one in shown)


def _has(character: str) -> bool:
    """Whether the font has the character."""
    try:
        return bool(character.encode("cp1252")) and character.isprintable()
    except UnicodeEncodeError:
        return False


def _set(paper: _Paper, block: str | list[list[str]]) -> None:
    if isinstance(block, list):
        _table(paper, block)
    elif block.startswith("# "):
        _paragraph(paper, _plain(block[2:]), 18, bold=True)
    elif block.startswith("## "):
        paper.need(60)
        paper.y -= GAP
        _paragraph(paper, _plain(block[3:]), 13, bold=True)
    elif block.startswith("- "):
        _paragraph(paper, "• " + _plain(block[2:]), 9)
    else:
        _paragraph(paper, _plain(block.replace("`", "")), 9)


def _paragraph(paper: _Paper, text: str, size: float, *, bold: bool = False) -> None:
    for line in wrap(text, WIDTH - 2 * MARGIN, size):
        paper.need(size * 1.3)
        paper.text(MARGIN, size, line, bold=bold)
        paper.y -= size * 1.3
    paper.y -= GAP / 2


def _table(paper: _Paper, rows: list[list[str]]) -> None:
    """Set a table: columns as wide as their longest cells ask for, within the page."""
    size = 9.0 if len(rows[0]) <= 6 else 6.5
    wanted = [max(measure(row[n], size) for row in rows if n < len(row)) + GAP for n in range(len(rows[0]))]
    room = WIDTH - 2 * MARGIN
    fair = room / len(wanted)
    spare = room - sum(min(one, fair) for one in wanted)
    greedy = sum(max(one - fair, 0) for one in wanted)
    widths = [min(one, fair) + (spare * max(one - fair, 0) / greedy if greedy else 0) for one in wanted]
    for number, row in enumerate(rows):
        if any(row):
            _row(paper, row, widths, size, bold=number == 0)
    paper.y -= GAP


def _row(paper: _Paper, row: list[str], widths: list[float], size: float, *, bold: bool) -> None:
    cells = [wrap(text, width - GAP, size) for text, width in zip(row, widths, strict=False)]
    height = max(map(len, cells)) * size * 1.25
    paper.need(min(height + 4, HEIGHT - 2 * MARGIN))
    for step in range(max(map(len, cells))):
        paper.need(size * 1.25)
        x = MARGIN
        for lines, width in zip(cells, widths, strict=False):
            if step < len(lines):
                paper.text(x, size, lines[step], bold=bold)
            x += width
        paper.y -= size * 1.25
    paper.line()
    paper.y -= 4


def measure(text: str, size: float) -> float:
    """Return the width of a text in points. Pure."""
    return sum(WIDTHS[ord(one) - 32] if " " <= one <= "~" else OTHER_WIDTH for one in text) * size / 1000


def wrap(text: str, width: float, size: float) -> list[str]:
    """Cut a text into lines that fit, at spaces where there are any. Pure."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if measure(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while measure(line, size) > width and len(line) > 1:
            fits = next(n for n in range(len(line), 0, -1) if n == 1 or measure(line[:n], size) <= width)
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line]
